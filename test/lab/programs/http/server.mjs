// A server that says what it saw. usage: server.mjs PORT
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'

const port = Number(process.argv[2])

const answers = {
  '/headers': (request, response) => {
    response.setHeader('content-type', 'application/json')
    response.setHeader('x-peer-port', String(request.socket.remotePort))
    response.setHeader('x-peer', String(request.socket.remoteAddress))
    response.end(JSON.stringify({ url: request.url, headers: request.headers }))
  },
  '/digest': (request, response) => {
    const digest = createHash('sha256')
    let bytes = 0
    request.on('data', (part) => {
      bytes += part.length
      digest.update(part)
    })
    request.on('end', () => response.end(`${bytes} ${digest.digest('hex')}`))
  },
  '/pattern': (request, response) => {
    const size = Number(new URL(request.url, 'http://x').searchParams.get('bytes'))
    response.setHeader('content-length', size)
    const block = Buffer.alloc(65_536, 'sluice')
    let left = size
    const more = () => {
      while (left > 0) {
        const part = block.subarray(0, Math.min(left, block.length))
        left -= part.length
        if (!response.write(part)) {
          response.once('drain', more)
          return
        }
      }
      response.end()
    }
    more()
  },
  '/trailers': (_, response) => {
    response.writeHead(200, { trailer: 'x-sum' })
    response.write('body')
    response.addTrailers({ 'x-sum': '4' })
    response.end()
  },
  '/not-modified': (_, response) => {
    response.writeHead(304, { etag: '"a"' })
    response.end()
  },
  '/close': (_, response) => {
    response.shouldKeepAlive = false
    response.end('closed')
  },
  '/events': (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.write('data: 1\n\n')
    setTimeout(() => response.end('data: 2\n\n'), 200)
  },
}

function none(_, response) {
  response.statusCode = 404
  response.end('none')
}

const server = createServer((request, response) => {
  const answer = answers[request.url.split('?')[0]] ?? none
  answer(request, response)
})

server.on('upgrade', (request, socket, head) => {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n' +
      `upgrade: ${request.headers.upgrade}\r\n\r\n`,
  )
  if (head.length > 0) socket.write(head)
  socket.pipe(socket)
})
server.keepAliveTimeout = 1_000
server.listen(port, '::', () => process.stdout.write(`ready ${server.address().port}\n`))
