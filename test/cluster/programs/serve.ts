// A server as good apps are: on SIGTERM it goes on serving while clients still come, asks those
// that keep their connection to open another one, and ends once nobody asks any more.
//   PORTS       numbers, one server each (8080)
//   NOT_READY   set: its readiness fails for ever
//   GET /ask?url=URL&count=N&timeout=MS   asks there itself
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { askMany } from './ask.ts'

/** Clients of a service hear of an endpoint's end a moment later than the endpoint. */
const quietMs = 3_000
const name = process.env['HOSTNAME'] ?? ''
const node = process.env['NODE_NAME'] ?? ''

let ending = false
let lastRequest = 0

function reply(response: ServerResponse, status: number, content: unknown): void {
  const type = { 'content-type': 'application/json' }
  response.writeHead(status, ending ? { ...type, connection: 'close' } : type)
  response.end(JSON.stringify(content))
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const { pathname, searchParams: query } = new URL(request.url ?? '/', 'http://self')
  if (pathname === '/ready') {
    reply(response, process.env['NOT_READY'] === undefined && !ending ? 200 : 503, {})
    return
  }
  if (pathname === '/ask') {
    const [count, timeoutMs] = [Number(query.get('count')), Number(query.get('timeout'))]
    const question = { url: query.get('url') ?? '', count, timeoutMs, pauseMs: 0 }
    void askMany(question).then((answers) => reply(response, 200, answers))
    return
  }
  lastRequest = performance.now()
  const { remoteAddress = '', localPort = 0 } = request.socket
  reply(response, 200, {
    name,
    node,
    port: localPort,
    client: remoteAddress.replace('::ffff:', ''),
  })
}

for (const port of (process.env['PORTS'] ?? '8080').split(',')) {
  createServer({ keepAliveTimeout: 60_000 }, answer).listen(Number(port), '::')
}

process.once('SIGTERM', () => {
  ending = true
  lastRequest = performance.now()
  setInterval(() => {
    if (performance.now() - lastRequest > quietMs) process.exit()
  }, 100)
})
