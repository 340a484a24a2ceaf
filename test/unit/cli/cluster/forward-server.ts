// The port-forward end of an API server, as kubelets speak it: WebSocket frames whose first byte is
// the channel (0 data, 1 errors), each channel beginning with the port's number.
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'

const magic = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** @param targetPort on loopback, where data goes; undefined: nobody listens in the pod */
export async function startForwardServer(
  t: TestContext,
  targetPort: number | undefined,
): Promise<{ readonly url: string; readonly asked: string[] }> {
  const asked: string[] = []
  const sockets = new Set<Duplex>()
  const server = createServer((_request, response) => response.writeHead(403).end())
  server.on('upgrade', (request: IncomingMessage, socket: Duplex) => {
    asked.push(request.url ?? '')
    sockets.add(socket)
    if (request.url?.includes('/forbidden/') === true) {
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n')
      return
    }
    accept(request, socket)
    for (const channel of [0, 1]) socket.write(frame(channel, Buffer.from([0xa6, 0x3a])))
    if (targetPort === undefined) {
      socket.write(frame(1, Buffer.from('connection refused')))
      return
    }
    splice(socket, connect(targetPort, '127.0.0.1'))
  })
  server.listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.closeAllConnections()
    server.close()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked }
}

/** Of one frame: kubelets copy in pieces too. */
const maxData = 32_768

function accept({ headers }: IncomingMessage, socket: Duplex): void {
  const key = createHash('sha1').update(`${headers['sec-websocket-key']}${magic}`).digest('base64')
  const lines = [
    'HTTP/1.1 101 Switching Protocols',
    'upgrade: websocket',
    'connection: upgrade',
    `sec-websocket-accept: ${key}`,
    'sec-websocket-protocol: v4.channel.k8s.io',
  ]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
}

function splice(socket: Duplex, target: Socket): void {
  let buffered = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    buffered = Buffer.concat([buffered, chunk])
    for (let read = readFrame(buffered); read !== undefined; read = readFrame(buffered)) {
      buffered = buffered.subarray(read.bytes)
      // Close.
      if (read.opcode === 8) target.end()
      else if (read.payload[0] === 0) target.write(read.payload.subarray(1))
    }
  })
  target.on('data', (chunk: Buffer) => {
    for (let start = 0; start < chunk.length; start += maxData) {
      socket.write(frame(0, chunk.subarray(start, start + maxData)))
    }
  })
  target.on('close', () => socket.end(Buffer.from([0x88, 0])))
  socket.on('error', () => target.destroy())
  socket.on('close', () => target.destroy())
}

function frame(channel: number, data: Buffer): Buffer {
  const payload = Buffer.concat([Buffer.from([channel]), data])
  const head = Buffer.alloc(4)
  head[0] = 0x82
  if (payload.length < 126) {
    head[1] = payload.length
    return Buffer.concat([head.subarray(0, 2), payload])
  }
  head[1] = 126
  head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

/** Of a client: masked; undefined while it is not whole. */
function readFrame(from: Buffer) {
  const short = (from[1] ?? 0) & 127
  const head = short === 126 ? 4 : 2
  if (from.length < head + 4) return undefined
  const length = short === 126 ? from.readUInt16BE(2) : short
  const bytes = head + 4 + length
  if (from.length < bytes) return undefined
  const mask = from.subarray(head, head + 4)
  const payload = Buffer.from(from.subarray(head + 4, bytes))
  for (const [index, byte] of payload.entries()) payload[index] = byte ^ (mask[index % 4] ?? 0)
  return { opcode: (from[0] ?? 0) & 15, payload, bytes }
}
