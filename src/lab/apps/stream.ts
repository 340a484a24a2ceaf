// Moves bytes and says what came of them.
//   stream.ts serve PORT                       answers each client's end of stream with {"bytes",
//   "crc32"} stream.ts send ADDRESS PORT BYTES [SECONDS]
//     sends that many (not faster than in SECONDS), prints {"ok", "bytes", "seconds",
//     "megabitPerSecond"}
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { crc32 } from 'node:zlib'

interface Verdict {
  readonly bytes: number
  readonly crc32: number
}

const BLOCK = 64 * 1024
const PACE_MS = 5

function serve(port: number): void {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    let verdict: Verdict = { bytes: 0, crc32: 0 }
    socket.on('data', (chunk: Buffer) => {
      verdict = { bytes: verdict.bytes + chunk.length, crc32: crc32(chunk, verdict.crc32) }
    })
    socket.on('end', () => socket.end(`${JSON.stringify(verdict)}\n`))
    socket.on('error', () => socket.destroy())
  })
  server.listen(port, '::', () => process.stdout.write('listening\n'))
}

async function send(address: string, port: number, bytes: number, paceS: number): Promise<boolean> {
  const socket = connect(port, address)
  await once(socket, 'connect')
  // What waits for the socket below would wait for ever.
  socket.on('error', (error) => {
    process.stderr.write(`sending to ${address} port ${port}: ${error.message}\n`)
    process.exit(1)
  })
  let answer = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
  const random = randomBytes(BLOCK)
  const start = performance.now()
  let crc = 0
  for (let sent = 0; sent < bytes; ) {
    const block = Buffer.from(random.subarray(0, Math.min(BLOCK, bytes - sent)))
    // Each block has its position in it, so that no two of them are alike.
    block.writeUIntBE(sent, 0, 6)
    crc = crc32(block, crc)
    sent += block.length
    if (!socket.write(block)) await once(socket, 'drain')
    while (performance.now() - start < (sent / bytes) * paceS * 1000) await sleep(PACE_MS)
  }
  socket.end()
  await once(socket, 'close')
  const seconds = (performance.now() - start) / 1000
  const verdict = JSON.parse(answer) as Verdict
  const ok = verdict.bytes === bytes && verdict.crc32 === crc
  const megabitPerSecond = Math.round((bytes * 8) / seconds / 1e6)
  const result = { ok, bytes: verdict.bytes, seconds, megabitPerSecond }
  process.stdout.write(`${JSON.stringify(result)}\n`)
  return ok
}

const [verb, ...rest] = process.argv.slice(2)
if (verb === 'serve') {
  serve(Number(rest[0]))
} else if (verb === 'send') {
  const [address = '', port, bytes, paceS = '0'] = rest
  process.exitCode = (await send(address, Number(port), Number(bytes), Number(paceS))) ? 0 : 1
} else {
  process.stderr.write('usage: stream.ts serve PORT | send ADDRESS PORT BYTES [SECONDS]\n')
  process.exitCode = 2
}
