// A proxy in a process of its own, to be killed: it keeps listeners and spliced connections with
// the keeper, and does what its parent says.
import { loadNative } from '../../../src/nodeproxy/native.ts'
import { type Keeper, openKeeper } from '../../../src/nodeproxy/keeper/client.ts'
import type { KeeperProgram } from '../../../src/nodeproxy/keeper/start.ts'
import { realTime } from '../../../src/nodeproxy/time/scheduler.ts'
import { eventually } from './scratch.ts'

export type ProxyOrder =
  | { readonly do: 'open'; readonly program: KeeperProgram }
  | { readonly do: 'beat'; readonly generationsPin: string }
  | {
      readonly do: 'keep'
      readonly uid: string
      readonly netns: string
      readonly alivePath: string
    }
  | { readonly do: 'splice'; readonly netns: string; readonly server: number }
  | { readonly do: 'letGo' }

/** What `keep` and `splice` answer: the port of the pod's listener. */
export interface ProxyAnswer {
  readonly port: number
}

const native = loadNative()
const listeners = new Map<string, number>()
/** Client legs' cookies, and the descriptors of both legs. */
const pairs = new Map<bigint, readonly [number, number]>()
let keeper: Keeper | undefined

process.on('message', (order: ProxyOrder) => {
  void obey(order).then(
    (port) => process.send?.({ port } satisfies ProxyAnswer),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})

async function obey(order: ProxyOrder): Promise<number> {
  if (order.do === 'open') {
    keeper = await openKeeper({
      native,
      program: order.program,
      generation: 0,
      scheduler: realTime,
      onReplaced: () => {},
    })
    return 0
  }
  if (order.do === 'beat') {
    native.heartbeatStart(native.bpfGetPinned(order.generationsPin), 0, 20)
    return 0
  }
  if (order.do === 'keep') {
    const listener = await listen(order.netns)
    const { uid, alivePath } = order
    await keeper?.putListeners({ uid, alivePath, facts: order.netns, fds: [listener] })
    return native.socketLocal(listener).port
  }
  if (order.do === 'letGo') return letGo()
  return splice(order.netns, order.server)
}

async function letGo(): Promise<number> {
  for (const fd of [...pairs.values()].flat()) native.closeFd(fd)
  await keeper?.letGo([...pairs.keys()])
  return 0
}

async function listen(netns: string): Promise<number> {
  const fd = native.netnsOpen(netns)
  const listener = await native.netnsListen(fd, 4, 1024)
  native.closeFd(fd)
  listeners.set(netns, listener)
  return listener
}

/** Tells the port, takes one connection there, connects it to the server, and keeps both legs. */
async function splice(netns: string, server: number): Promise<number> {
  const listener = listeners.get(netns) ?? (await listen(netns))
  const { port } = native.socketLocal(listener)
  process.send?.({ port } satisfies ProxyAnswer)
  const { fd: clientLegFd } = await eventually('a client', () => {
    const fd = native.socketAccept(listener)
    return fd >= 0 && { fd }
  })
  const inside = native.netnsOpen(netns)
  const serverLegFd = native.socketOpen(inside, 4, 0)
  native.closeFd(inside)
  native.socketConnect(serverLegFd, '127.0.0.1', server)
  await keeper?.putPair({
    clientLegCookie: native.socketCookie(clientLegFd),
    serverLegCookie: native.socketCookie(serverLegFd),
    clientAppCookie: 1n,
    serverAppCookie: 2n,
    slotToServer: 4,
    slotToClient: 5,
    clientLegFd,
    serverLegFd,
  })
  pairs.set(native.socketCookie(clientLegFd), [clientLegFd, serverLegFd])
  return port
}
