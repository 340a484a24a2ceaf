// An app's side, in a process and cgroup of its own: a server on the pod's address and clients that connect
// to a service address, all in one namespace (descriptor 3). Every byte is checked. Says what it saw as JSON.
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { argv, exit } from 'node:process'
import { loadNative } from '../../../src/nodeproxy/native.ts'

export interface AppOrders {
  readonly serverAddress: string
  readonly serverPort: number
  readonly serviceAddress: string
  readonly servicePort: number
  readonly connections: number
  readonly atOnce: number
  readonly bytesUp: number
  readonly bytesDown: number
  /** Bytes of one write. */
  readonly writeBytes: number
  /** The server reads nothing before this many bytes stand unread, by its own measure of time. */
  readonly sleepyReaderMs: number
}

export interface AppReport {
  readonly served: number
  readonly wrong: readonly string[]
}

const netnsFd = 3
const orders = JSON.parse(argv[2] ?? '{}') as AppOrders
const native = loadNative()
const wrong: string[] = []

/** A block of odd length, so that a block that is lost or doubled shows. */
const block = Buffer.alloc((1 << 20) + 7)
for (let index = 0; index < block.length; index += 1) block[index] = (index * 2_654_435_761) >>> 24

/** Sends `bytes` of the pattern from `start` on, then FIN. */
async function send(socket: Socket, start: number, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; ) {
    const from = (start + sent) % block.length
    const chunk = block.subarray(from, Math.min(from + orders.writeBytes, from + bytes - sent))
    sent += chunk.length
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  socket.end()
}

/** Checks what comes, until FIN. */
async function receive(socket: Socket, start: number, bytes: number, who: string): Promise<void> {
  let received = 0
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; ) {
      const from = (start + received) % block.length
      const size = Math.min(chunk.length - at, block.length - from)
      if (!chunk.subarray(at, at + size).equals(block.subarray(from, from + size))) {
        wrong.push(`${who}: wrong bytes after ${received}`)
        return
      }
      at += size
      received += size
    }
  }
  if (received !== bytes) wrong.push(`${who}: ${received} of ${bytes} bytes`)
}

let served = 0
const talks: Promise<void>[] = []
const listener = native.socketOpen(netnsFd, 4, 0)
native.socketBind(listener, orders.serverAddress, orders.serverPort)
native.socketListen(listener, 512)
const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', (error) => void wrong.push(`server: ${error.message}`))
  const id = (served += 1)
  const talk = async (): Promise<void> => {
    if (orders.sleepyReaderMs > 0) {
      socket.pause()
      await new Promise((resolve) => void setTimeout(resolve, orders.sleepyReaderMs))
    }
    await Promise.all([
      receive(socket, 0, orders.bytesUp, `server ${id}`),
      send(socket, 99, orders.bytesDown),
    ])
  }
  talks.push(talk())
})
server.listen({ fd: listener })
await once(server, 'listening')

async function client(id: number): Promise<void> {
  const fd = native.socketOpen(netnsFd, 4, 0)
  native.socketConnect(fd, orders.serviceAddress, orders.servicePort)
  const socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true })
  socket.setNoDelay(true)
  socket.on('error', (error) => void wrong.push(`client ${id}: ${error.message}`))
  const closed = once(socket, 'close')
  await Promise.all([
    send(socket, 0, orders.bytesUp),
    receive(socket, 99, orders.bytesDown, `client ${id}`),
  ])
  await closed
}

let next = 0
async function clientAfterClient(): Promise<void> {
  while (next < orders.connections) await client((next += 1))
}
await Promise.all(Array.from({ length: orders.atOnce }, clientAfterClient))
// A process that ends with bytes unread would reset their connections.
await Promise.all(talks)
server.close()
process.stdout.write(JSON.stringify({ served, wrong } satisfies AppReport), () => exit())
