// Node's net module: non-blocking sockets under libuv.
import net from 'node:net'

const [verb, ...args] = process.argv.slice(2)

function serve(port) {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', (error) => console.error(`server: ${error.message}`))
    socket.pipe(socket)
  })
  server.listen(port, '::', 512, () => console.log(JSON.stringify({ ready: true })))
}

function one(address, port, data) {
  return new Promise((resolve) => {
    const parts = []
    const socket = net.connect({ host: address, port, allowHalfOpen: true })
    socket.on('error', (error) => resolve(error.message))
    socket.on('data', (part) => parts.push(part))
    socket.on('end', () => {
      const got = Buffer.concat(parts)
      resolve(
        got.equals(data) ? undefined : `sent ${data.length} bytes, got ${got.length}, or others`,
      )
    })
    socket.end(data)
  })
}

async function run(address, port, size, count) {
  const data = Buffer.alloc(size)
  for (let i = 0; i < size; i++) data[i] = (i * 31 + (i >> 8)) & 255
  const errors = []
  for (let i = 0; i < count; i++) {
    const error = await one(address, port, data)
    if (error !== undefined) errors.push(error)
  }
  const failed = errors.length
  console.log(JSON.stringify({ ok: count - failed, failed, errors: errors.slice(0, 5) }))
}

if (verb === 'serve') serve(Number(args[0]))
else await run(args[0], Number(args[1]), Number(args[2]), Number(args[3]))
