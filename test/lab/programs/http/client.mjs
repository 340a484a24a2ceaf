// Asks a server.mjs everything, and says what did not come as it should. usage: client.mjs HOST
// PORT
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Agent, request as ask } from 'node:http'
import { connect } from 'node:net'

const [host, port] = [process.argv[2], Number(process.argv[3])]
const agent = new Agent({ keepAlive: true, maxSockets: 4 })

function send(options, body) {
  return new Promise((resolve, reject) => {
    const request = ask({ host, port, agent, ...options }, (response) => {
      const parts = []
      response.on('data', (part) => parts.push(part))
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode, headers, trailers } = response
        resolve({ statusCode, headers, trailers, body: Buffer.concat(parts) })
      })
    })
    request.on('error', reject)
    request.on('continue', () => request.end(body))
    if (options.headers?.expect === undefined) request.end(body)
  })
}

const checks = {
  async headers() {
    const { body } = await send({
      path: '/headers?a=b',
      headers: { 'x-one': ['1', '2'], 'x-hop': 'secret', connection: 'keep-alive, x-hop' },
    })
    const seen = JSON.parse(body.toString())
    assert.equal(seen.url, '/headers?a=b')
    assert.equal(seen.headers['x-one'], '1, 2')
    assert.equal(seen.headers['x-hop'], undefined)
    // A client leaves out the port that HTTP has anyway.
    assert.ok([host, `${host}:${port}`].includes(seen.headers.host), seen.headers.host)
  },
  async uploads() {
    for (const size of [0, 1, 70_000, 5_000_000]) {
      const bytes = Buffer.alloc(size, 'abc')
      const expected = `${size} ${createHash('sha256').update(bytes).digest('hex')}`
      for (const headers of [
        { 'content-length': size },
        { 'transfer-encoding': 'chunked' },
        { 'content-length': size, expect: '100-continue' },
      ]) {
        const { statusCode, body } = await send({ method: 'POST', path: '/digest', headers }, bytes)
        assert.deepEqual([statusCode, body.toString()], [200, expected])
      }
    }
  },
  async downloads() {
    for (const size of [0, 1, 65_536, 20_000_000]) {
      const { body } = await send({ path: `/pattern?bytes=${size}` })
      assert.ok(body.equals(Buffer.alloc(size, Buffer.alloc(65_536, 'sluice'))), `${size} bytes`)
    }
  },
  async withoutBody() {
    const head = await send({ method: 'HEAD', path: '/pattern?bytes=99' })
    assert.deepEqual([head.headers['content-length'], head.body.length], ['99', 0])
    const same = await send({ path: '/not-modified' })
    assert.deepEqual([same.statusCode, same.headers.etag, same.body.length], [304, '"a"', 0])
  },
  async trailers() {
    const { trailers, body } = await send({ path: '/trailers' })
    assert.deepEqual([trailers['x-sum'], body.toString()], ['4', 'body'])
  },
  async closing() {
    for (let count = 0; count < 20; count += 1) {
      assert.equal((await send({ path: '/close' })).body.toString(), 'closed')
    }
  },
  async kept() {
    // The server closes after a second; a kept connection of the proxy's must not show that.
    for (const pause of [0, 900, 1_000, 1_100]) {
      await new Promise((resolve) => setTimeout(resolve, pause))
      const all = Array.from({ length: 8 }, () => send({ path: '/headers' }))
      for (const { statusCode } of await Promise.all(all)) assert.equal(statusCode, 200)
    }
  },
  async events() {
    const { body } = await send({ path: '/events' })
    assert.equal(body.toString(), 'data: 1\n\ndata: 2\n\n')
  },
  async notFound() {
    assert.equal((await send({ path: '/nothing' })).statusCode, 404)
  },
  async upgrade() {
    const socket = connect(port, host)
    socket.write('GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nping')
    let text = ''
    for await (const part of socket) {
      text += part
      if (text.endsWith('\r\n\r\nping')) socket.end()
    }
    assert.match(text, /^HTTP\/1.1 101 /)
  },
  async smuggling() {
    const socket = connect(port, host)
    socket.end(
      'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    )
    let text = ''
    for await (const part of socket) text += part
    assert.match(text, /^HTTP\/1.1 400 /)
  },
}

for (const [name, check] of Object.entries(checks)) {
  await check().catch((error) => {
    process.stdout.write(`${name}: ${error.stack}\n`)
    process.exit(1)
  })
}
process.stdout.write(`all ${Object.keys(checks).length} held\n`)
agent.destroy()
