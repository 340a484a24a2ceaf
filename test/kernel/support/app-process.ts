// An app, in a process and cgroup of its own and in the namespace of descriptor 3: a server on the
// pod's address, or clients that connect to a service address. Every byte is checked. Says what it
// saw as JSON.
import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { argv, exit } from 'node:process'
import { setTimeout } from 'node:timers/promises'
import { loadNative } from '../../../src/nodeproxy/native.ts'

export interface AppOrders {
  readonly role: 'server' | 'client'
  readonly serverAddress: string
  readonly serverPort: number
  readonly serviceAddress: string
  readonly servicePort: number
  readonly connections: number
  readonly atOnce: number
  readonly bytesUp: number
  readonly bytesDown: number
  /** Both sides take turns of so many bytes: who writes has a reader that keeps up. 0: at once. */
  readonly turnBytes: number
  /** Bytes of one write. */
  readonly writeBytes: number
  /** The server reads nothing for so long. */
  readonly sleepyReaderMs: number
}

export interface AppReport {
  readonly connections: number
  readonly wrong: readonly string[]
}

const netnsFd = 3
const orders = JSON.parse(argv[2] ?? '{}') as AppOrders
const native = loadNative()
const wrong: string[] = []

/** A block of odd length, so that a block that is lost or doubled shows. */
const block = Buffer.alloc((1 << 20) + 7)
for (let index = 0; index < block.length; index += 1) block[index] = (index * 2_654_435_761) >>> 24

/** How far a conversation is, for sides that take turns. */
interface Talk {
  received: number
  more?: () => void
}

async function waitForTurn(talk: Talk, isServer: boolean, sent: number): Promise<void> {
  const { turnBytes } = orders
  if (turnBytes === 0 || sent % turnBytes !== 0) return
  const owed = isServer ? sent + turnBytes : sent
  while (talk.received < owed) await new Promise<void>((resolve) => void (talk.more = resolve))
}

/** Sends `bytes` of the pattern from `start` on, then FIN. */
async function send(socket: Socket, start: number, bytes: number, talk: Talk): Promise<void> {
  const { turnBytes, writeBytes } = orders
  for (let sent = 0; sent < bytes; ) {
    await waitForTurn(talk, orders.role === 'server', sent)
    const from = (start + sent) % block.length
    const left = turnBytes === 0 ? bytes - sent : turnBytes - (sent % turnBytes)
    const chunk = block.subarray(from, from + Math.min(writeBytes, left))
    sent += chunk.length
    if (!socket.write(chunk)) await once(socket, 'drain')
  }
  socket.end()
}

/** Checks what comes, until FIN. */
async function receive(
  socket: Socket,
  start: number,
  bytes: number,
  who: string,
  talk: Talk,
): Promise<void> {
  let received = 0
  // The usual iterator destroys the socket at its end, and with it what is still to be written.
  const chunks: AsyncIterable<Buffer> = socket.iterator({ destroyOnReturn: false })
  for await (const chunk of chunks) {
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
    talk.received = received
    talk.more?.()
  }
  if (received !== bytes) wrong.push(`${who}: ${received} of ${bytes} bytes`)
}

async function talkAsServer(socket: Socket, id: number): Promise<void> {
  if (orders.sleepyReaderMs > 0) {
    socket.pause()
    await setTimeout(orders.sleepyReaderMs)
  }
  const talk = { received: 0 }
  await Promise.all([
    receive(socket, 0, orders.bytesUp, `server ${id}`, talk),
    send(socket, 99, orders.bytesDown, talk),
  ])
}

/** Serves as many connections as there are to be. */
async function serve(): Promise<void> {
  const fd = native.socketOpen(netnsFd, 4, 0)
  native.socketBind(fd, orders.serverAddress, orders.serverPort)
  native.socketListen(fd, 512)
  const talks: Promise<void>[] = []
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', (error) => void wrong.push(`server: ${error.message}`))
    talks.push(talkAsServer(socket, talks.length))
    if (talks.length === orders.connections) server.close()
  })
  server.listen({ fd })
  await once(server, 'listening')
  process.stdout.write('ready\n')
  await once(server, 'close')
  await Promise.all(talks)
}

async function client(id: number): Promise<void> {
  const fd = native.socketOpen(netnsFd, 4, 0)
  native.socketConnect(fd, orders.serviceAddress, orders.servicePort)
  const socket = new Socket({ fd, allowHalfOpen: true, readable: true, writable: true })
  socket.setNoDelay(true)
  socket.on('error', (error) => void wrong.push(`client ${id}: ${error.message}`))
  const closed = once(socket, 'close')
  const talk = { received: 0 }
  await Promise.all([
    send(socket, 0, orders.bytesUp, talk),
    receive(socket, 99, orders.bytesDown, `client ${id}`, talk),
  ])
  await closed
}

async function connectAll(): Promise<void> {
  let next = 0
  const clientAfterClient = async (): Promise<void> => {
    while (next < orders.connections) await client((next += 1))
  }
  await Promise.all(Array.from({ length: orders.atOnce }, clientAfterClient))
}

await (orders.role === 'server' ? serve() : connectAll())
const report: AppReport = { connections: orders.connections, wrong }
process.stdout.write(JSON.stringify(report), () => exit())
