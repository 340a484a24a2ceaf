import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { CloseHow, Direction } from '../../../src/nodeproxy/io/protocol.ts'
import {
  type OpenReactor,
  type OpenReactorOptions,
  openReactor,
  withoutBpf,
} from '../../../src/nodeproxy/io/reactor.ts'
import type { EventHandlers } from '../../../src/nodeproxy/io/events.ts'
import type { Native } from '../../../src/nodeproxy/native.ts'

/** 127.0.0.1 as the rings carry it. */
const loopback = [0, 0, 0xffff0000 | 0, 0x0100007f]
const nowhere = [0, 0, 0, 0]
const ownNetns = 1

export interface ProxyOptions {
  readonly targetPort: number
  readonly handlers?: Partial<EventHandlers>
  readonly reactor?: Partial<OpenReactorOptions>
}

/** A reactor without BPF that forwards every connection to a port of this host. */
export interface ReactorProxy {
  readonly reactor: OpenReactor
  readonly ended: number[]
  listen(fd: number): void
}

export function openProxy(native: Native, options: ProxyOptions): ReactorProxy {
  const ended: number[] = []
  const handlers: EventHandlers = {
    onAccept: ({ conn }) => {
      reactor.commands.connect({
        conn,
        attempt: 1,
        netns: ownNetns,
        source: nowhere,
        destination: loopback,
        destinationPort: options.targetPort,
        timeoutMs: 60_000,
        client: nowhere,
        clientPort: 0,
        legFlags: 0,
      })
    },
    onConnected: () => undefined,
    onConnectFailed: ({ conn }) => reactor.commands.close(conn, CloseHow.reset),
    onDone: ({ reason }) => void ended.push(reason),
    onTimer: () => undefined,
    onListener: () => undefined,
    onPaired: () => undefined,
    onNetnsFailed: ({ errno }) => {
      throw new Error(`no socket could be made in the test's own namespace: errno ${errno}`)
    },
    ...options.handlers,
  }
  const reactor = openReactor(
    native,
    {
      maxConnections: 1_000,
      generation: 0,
      pairLimitBytes: 1 << 22,
      ...withoutBpf,
      ...options.reactor,
    },
    handlers,
  )
  const netns = native.netnsOpen('/proc/self/ns/net')
  reactor.commands.netnsAdd(ownNetns, netns, 16)
  reactor.flush()
  native.closeFd(netns)
  return {
    reactor,
    ended,
    listen: (fd) => {
      reactor.commands.listen({
        listener: 1,
        fd,
        pod: 1,
        netns: ownNetns,
        direction: Direction.inbound,
        maxConnections: 0,
        maxBufferedBytes: 0,
      })
      reactor.flush()
    },
  }
}

export async function listenOnLoopback(native: Native): Promise<{ fd: number; port: number }> {
  const netns = native.netnsOpen('/proc/self/ns/net')
  const fd = await native.netnsListen(netns, 4, 1_024)
  native.closeFd(netns)
  return { fd, port: native.socketLocal(fd).port }
}

export async function serve(
  onSocket: (socket: Socket) => void,
): Promise<{ server: Server; port: number }> {
  const server = createServer({ allowHalfOpen: true }, onSocket)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}
