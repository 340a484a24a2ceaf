// Moves bytes and says what came of them.
//   stream.ts serve PORT               answers each client's end of stream with {"bytes", "sha256"}
//   stream.ts send ADDRESS PORT BYTES  sends that many, prints {"ok", "bytes", "seconds", "megabitPerSecond"}
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'

interface Verdict {
  readonly bytes: number
  readonly sha256: string
}

function serve(port: number): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const hash = createHash('sha256')
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      hash.update(chunk)
    })
    socket.on('end', () => {
      const verdict: Verdict = { bytes, sha256: hash.digest('hex') }
      socket.end(`${JSON.stringify(verdict)}\n`)
    })
    socket.on('error', () => socket.destroy())
  })
  server.listen(port, '::', () => process.stdout.write('listening\n'))
}

async function send(address: string, port: number, bytes: number): Promise<boolean> {
  const hash = createHash('sha256')
  const block = randomBytes(64 * 1024)
  const socket = connect(port, address)
  await once(socket, 'connect')
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
  const start = performance.now()
  for (let sent = 0; sent < bytes; ) {
    const piece = block.subarray(0, Math.min(block.length, bytes - sent))
    // Each block begins with its position, so that two of them are never alike.
    piece.writeDoubleBE(sent, 0)
    const copy = Buffer.from(piece)
    hash.update(copy)
    sent += copy.length
    if (!socket.write(copy)) await once(socket, 'drain')
  }
  socket.end()
  await once(socket, 'close')
  const seconds = (performance.now() - start) / 1000
  const verdict = JSON.parse(answer) as Verdict
  const ok = verdict.bytes === bytes && verdict.sha256 === hash.digest('hex')
  const megabitPerSecond = Math.round((bytes * 8) / seconds / 1e6)
  process.stdout.write(
    `${JSON.stringify({ ok, bytes: verdict.bytes, seconds, megabitPerSecond })}\n`,
  )
  return ok
}

const [verb, ...rest] = process.argv.slice(2)
if (verb === 'serve') {
  serve(Number(rest[0]))
} else if (verb === 'send') {
  const [address = '', port, bytes] = rest
  process.exitCode = (await send(address, Number(port), Math.max(8, Number(bytes)))) ? 0 : 1
} else {
  process.stderr.write('usage: stream.ts serve PORT | send ADDRESS PORT BYTES\n')
  process.exitCode = 2
}
