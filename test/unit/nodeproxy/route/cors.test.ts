import assert from 'node:assert/strict'
import test from 'node:test'
import type { HttpCors } from '../../../../src/model/http-routes.ts'
import { corsEdits, isPreflight, preflightHeaders } from '../../../../src/nodeproxy/route/cors.ts'
import { request } from './builders.ts'

const strict: HttpCors = {
  origins: ['https://www.foo.com', 'https://*.bar.com', 'http://foo.com:8080'],
  credentials: true,
  methods: ['GET', 'PUT'],
  headers: ['x-header-1', 'X-Header-2'],
  expose: ['x-header-3', 'x-header-4'],
  maxAgeSeconds: 3600,
}
const open: HttpCors = {
  origins: ['*'],
  credentials: false,
  methods: ['*'],
  headers: ['*'],
  expose: ['*'],
  maxAgeSeconds: 5,
}

function preflight(origin: string, asked = 'x-header-1'): ReturnType<typeof request> {
  return request('/', {
    method: 'OPTIONS',
    headers: {
      origin,
      'access-control-request-method': 'PUT',
      'access-control-request-headers': asked,
    },
  })
}

const asObject = (headers: readonly { readonly name: string; readonly value: string }[] = []) =>
  Object.fromEntries(headers.map(({ name, value }) => [name, value]))

test('a preflight is OPTIONS with an origin and a method that is asked for', () => {
  assert.ok(isPreflight(preflight('https://x')))
  assert.ok(!isPreflight(request('/', { method: 'OPTIONS', headers: { origin: 'https://x' } })))
  assert.ok(!isPreflight(request('/', { headers: { origin: 'https://x' } })))
})

test('an origin that is allowed is said back, with what may be done', () => {
  assert.deepEqual(asObject(preflightHeaders(strict, preflight('https://www.foo.com'))), {
    'Access-Control-Allow-Origin': 'https://www.foo.com',
    'Access-Control-Allow-Credentials': 'true',
    'Access-Control-Allow-Methods': 'GET, PUT',
    'Access-Control-Allow-Headers': 'x-header-1, X-Header-2',
    'Access-Control-Max-Age': '3600',
    Vary: 'Origin',
  })
})

const origins: readonly (readonly [origin: string, allowed: boolean])[] = [
  ['https://www.foo.com', true],
  ['https://www.foo.com:443', true],
  ['https://www.foo.com:80', false],
  ['http://www.foo.com', false],
  ['HTTPS://WWW.FOO.COM', true],
  ['https://a.bar.com', true],
  ['https://a.b.bar.com', true],
  ['https://bar.com', false],
  ['https://evilbar.com', false],
  ['https://a.bar.com.evil.com', false],
  ['http://foo.com:8080', true],
  ['http://foo.com', false],
  ['null', false],
  ['https://a.bar.com/', false],
]

for (const [origin, allowed] of origins) {
  test(`${origin} is ${allowed ? '' : 'not '}allowed`, () => {
    const headers = asObject(preflightHeaders(strict, preflight(origin)))
    assert.equal(headers['Access-Control-Allow-Origin'], allowed ? origin : undefined)
    assert.equal('Access-Control-Allow-Methods' in headers, allowed)
    const simple = corsEdits(strict, request('/', { headers: { origin } }))
    assert.equal(simple !== undefined, allowed)
  })
}

test('a star is said as one without credentials, and never with them', () => {
  const free = asObject(preflightHeaders(open, preflight('null', 'a, b')))
  assert.equal(free['Access-Control-Allow-Origin'], '*')
  assert.equal(free['Access-Control-Allow-Methods'], '*')
  assert.equal(free['Access-Control-Allow-Headers'], '*')
  const bound = { ...open, credentials: true }
  const said = asObject(preflightHeaders(bound, preflight('https://x', 'a, b')))
  assert.equal(said['Access-Control-Allow-Origin'], 'https://x')
  assert.equal(said['Access-Control-Allow-Methods'], 'PUT')
  assert.equal(said['Access-Control-Allow-Headers'], 'a, b')
  const response = asObject(
    corsEdits(bound, request('/', { headers: { origin: 'https://x' } }))?.set,
  )
  assert.equal(response['Access-Control-Expose-Headers'], undefined)
})

test('a request without an origin is left alone', () => {
  assert.equal(corsEdits(open, request('/')), undefined)
})
