// The engine with the decisions of TypeScript, between real clients and servers on loopback.
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { loadNative } from '../../../src/nodeproxy/native.ts'
import { type HttpProxy, openHttpProxy } from './proxy.ts'
import { listenOnLoopback } from '../../kernel/support/reactor-proxy.ts'

const run = promisify(execFile)
const native = loadNative()
const program = (name: string): string => join(import.meta.dirname, '../programs/http', name)

/** A server.mjs behind the engine. */
async function world(t: TestContext): Promise<{ proxy: HttpProxy; port: number }> {
  const server = spawn(process.execPath, [program('server.mjs'), '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => server.kill())
  const [line] = (await once(createInterface(server.stdout), 'line')) as [string]
  const proxy = openHttpProxy(native, Number(line.split(' ')[1]))
  t.after(() => proxy.reactor.close())
  const { fd, port } = await listenOnLoopback(native)
  proxy.listen(fd)
  native.closeFd(fd)
  return { proxy, port }
}

test('a Node client finds everything as its server sent it', async (t) => {
  const { proxy, port } = await world(t)
  const { stdout } = await run(process.execPath, [program('client.mjs'), '127.0.0.1', `${port}`])
  assert.match(stdout, /^all \d+ held$/mu)
  const statuses = new Set(proxy.requests.map(([, { status }]) => status))
  assert.deepEqual(
    [...statuses].sort((a, b) => a - b),
    [101, 200, 304, 404],
  )
  assert.equal(proxy.rejected.length, 1)
  const { httpReused = 0, httpRequests = 0, commandErrors } = proxy.reactor.stats()
  assert.ok(httpReused > httpRequests / 2, `${httpReused} of ${httpRequests} on kept connections`)
  assert.equal(commandErrors, 0)
})

test('curl: both versions, an upload, a head, ranges of nothing', async (t) => {
  const { proxy, port } = await world(t)
  const curl = async (...args: string[]): Promise<string> =>
    (await run('curl', ['-sS', ...args])).stdout
  const url = `http://127.0.0.1:${port}`
  assert.match(await curl(`${url}/headers`), /"user-agent":"curl/u)
  assert.match(await curl('--http1.0', `${url}/headers`), /"url":"\/headers"/u)
  assert.match(await curl('-I', `${url}/pattern?bytes=7`), /content-length: 7/iu)
  assert.match(await curl('-d', 'abc', `${url}/digest`), /^3 ba7816bf/u)
  assert.match(await curl('-T', program('server.mjs'), `${url}/digest`), /^\d+ [0-9a-f]{64}$/u)
  // Two on one connection.
  assert.equal(await curl(`${url}/nothing`, `${url}/close`), 'noneclosed')
  assert.ok(proxy.requests.every(([, { reason }]) => reason === 0))
})

test('an endpoint that is not there: 503 with its flag', async (t) => {
  const unused = await listenOnLoopback(native)
  native.closeFd(unused.fd)
  const proxy = openHttpProxy(native, unused.port)
  t.after(() => proxy.reactor.close())
  const { fd, port } = await listenOnLoopback(native)
  proxy.listen(fd)
  native.closeFd(fd)
  const response = await fetch(`http://127.0.0.1:${port}/`)
  assert.equal(response.status, 503)
  assert.equal(await response.text(), 'sluice: the endpoint could not be reached\n')
  assert.deepEqual(
    proxy.requests.map(([{ refusal }, { status }]) => [refusal?.flag, status]),
    [['UF', 503]],
  )
})
