// Asks a server.mjs again and again, over kept connections and over a tunnel, and tells of each
// answer in a line; ends when it is told to. usage: asking.mjs HOST PORT
import { Agent, request as ask } from 'node:http'
import { connect } from 'node:net'

const [host, port] = [process.argv[2], Number(process.argv[3])]
const agent = new Agent({ keepAlive: true, maxSockets: 2 })
const pauseMs = 20

const say = (line) => process.stdout.write(`${line}\n`)

function get() {
  return new Promise((resolve) => {
    const request = ask({ host, port, agent, path: '/pattern?bytes=10000' }, (response) => {
      response.on('error', ({ message }) => resolve(`failed ${message}`))
      response.on('end', () => resolve(response.statusCode === 200 ? 'ok' : 'failed status'))
      response.resume()
    })
    request.on('error', ({ message }) => resolve(`failed ${message}`))
    request.end()
  })
}

async function getForEver() {
  for (;;) {
    say(`request ${await get()}`)
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
  }
}

function tunnel() {
  const socket = connect(port, host)
  const fields = 'host: x\r\nconnection: upgrade\r\nupgrade: echo\r\n'
  let open = false
  socket.write(`GET /ws HTTP/1.1\r\n${fields}\r\n`)
  socket.on('data', (data) => {
    const text = String(data)
    if (open) say(`tunnel ${text === 'ping' ? 'ok' : `failed ${text}`}`)
    open ||= text.endsWith('\r\n\r\n')
    setTimeout(() => socket.write('ping'), pauseMs)
  })
  for (const end of ['error', 'end']) socket.on(end, () => say(`tunnel failed ${end}`))
}

tunnel()
await Promise.all([getForEver(), getForEver()])
