// What becomes of a request, by the tables of the Gateway API's specification.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { HttpFilters, HttpMatch, HttpRedirect } from '../../../../src/model/http-routes.ts'
import { createDraw } from '../../../../src/nodeproxy/route/draw.ts'
import type { RequestHead } from '../../../../src/nodeproxy/codecs/request-head.ts'
import { route } from '../../../../src/nodeproxy/route/route.ts'
import { createTable } from '../../../../src/nodeproxy/route/table.ts'
import { match, portRoutes, request, rule } from './builders.ts'

function decide(
  head: RequestHead,
  filters: HttpFilters,
  { matches = [match()], port = 80 }: { matches?: readonly HttpMatch[]; port?: number } = {},
) {
  const table = createTable({ ...portRoutes([rule('a', { filters, matches })]), port })
  return route(
    table,
    head,
    createDraw(() => 0),
  )
}

const prefixRows: readonly (readonly [string, string, string, string])[] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/bar', '', '/xyz', '/xyz/foo/bar'],
  ['/', '', '/xyz', '/xyz/'],
]

for (const [path, prefix, replacement, expected] of prefixRows) {
  test(`${path} with prefix '${prefix}' replaced by '${replacement}' is ${expected}`, () => {
    const edit = { type: 'prefix', value: replacement } as const
    const matches = [match({ path: { type: 'prefix', value: prefix } })]
    const options = { matches }
    const sent = decide(request(`${path}?q=1`), { rewrite: { hostname: '', path: edit } }, options)
    assert.ok(sent.action === 'forward')
    assert.equal(sent.target, `${expected}?q=1`)
    assert.equal(sent.authority, undefined)
  })
}

test('a whole path is replaced, the query stays, and the host is what it says', () => {
  const rewrite = { hostname: 'other.example', path: { type: 'full', value: '/one' } } as const
  const sent = decide(request('/a/b?x=1&y'), { rewrite })
  assert.ok(sent.action === 'forward')
  assert.deepEqual([sent.target, sent.authority], ['/one?x=1&y', 'other.example'])
})

const plain: HttpRedirect = { scheme: '', hostname: '', port: 0, status: 302 }
const redirects: readonly (readonly [
  what: string,
  redirect: Partial<HttpRedirect>,
  authority: string,
  port: number,
  location: string,
])[] = [
  ['nothing but a status', { status: 301 }, 'web', 80, 'http://web/a?b'],
  ['the port of the connection', {}, 'web:8080', 8080, 'http://web:8080/a?b'],
  ['another host keeps that port', { hostname: 'x.org' }, 'web', 8080, 'http://x.org:8080/a?b'],
  ['a scheme brings its port', { scheme: 'https' }, 'web:8080', 8080, 'https://web/a?b'],
  ['also its own', { scheme: 'http' }, 'web:8080', 8080, 'http://web/a?b'],
  ['a port that it names', { port: 8443 }, 'web', 80, 'http://web:8443/a?b'],
  ['scheme and port', { scheme: 'https', port: 8443 }, 'web', 80, 'https://web:8443/a?b'],
  ['a port that is the scheme’s', { scheme: 'https', port: 443 }, 'web', 80, 'https://web/a?b'],
  ['80 of https is said', { scheme: 'https', port: 80 }, 'web', 80, 'https://web:80/a?b'],
  ['IPv6', {}, '[fd00::1]:80', 80, 'http://[fd00::1]/a?b'],
  ['IPv6 without a port', { port: 81 }, '[fd00::1]', 80, 'http://[fd00::1]:81/a?b'],
  ['a path', { path: { type: 'full', value: '/new' } }, 'web', 80, 'http://web/new?b'],
]

for (const [what, changes, authority, port, location] of redirects) {
  test(`redirect: ${what}`, () => {
    const redirect = { ...plain, ...changes }
    const answer = decide(request('/a?b', { authority }), { redirect }, { port })
    assert.ok(answer.action === 'respond')
    assert.equal(answer.status, redirect.status)
    assert.deepEqual(answer.headers, [{ name: 'Location', value: location }])
  })
}

test('no match is 404, and a path is matched by whole elements', () => {
  const matches = [match({ path: { type: 'prefix', value: '/abc' } })]
  const statusOf = (path: string) => {
    const answer = decide(request(path), {}, { matches })
    return answer.action === 'forward' ? 200 : answer.status
  }
  assert.deepEqual(
    ['/abc', '/abc/', '/abc/def', '/abcd', '/Abc', '/', '*', ''].map(statusOf),
    [200, 200, 200, 404, 404, 404, 404, 404],
  )
})

test('an invalid backend answers 500 for its share, and no backend for all', () => {
  const backends = [
    { service: 'shop/a', port: 80, weight: 3 },
    { service: '', port: 0, weight: 1 },
  ]
  const draw = createDraw(() => 0)
  const table = createTable(portRoutes([rule('a', { backends })]))
  const answers = Array.from({ length: 400 }, () => route(table, request('/'), draw))
  assert.equal(answers.filter(({ action }) => action === 'respond').length, 100)
  const none = createTable(portRoutes([rule('a', { backends: [] })]))
  const answer = route(none, request('/'), draw)
  assert.ok(answer.action === 'respond')
  assert.deepEqual([answer.status, answer.cause], [500, 'noBackend'])
})

test('a rule that stays keeps its turns through a change of the table', () => {
  const backends = [1, 2, 3].map((index) => ({ service: `shop/${index}`, port: 80, weight: 1 }))
  const rules = [rule('a', { backends })]
  const draw = createDraw(() => 0)
  let table = createTable(portRoutes(rules))
  const seen = new Set<string>()
  for (let turn = 0; turn < 3; turn += 1) {
    const sent = route(table, request('/'), draw)
    assert.ok(sent.action === 'forward')
    seen.add(sent.backend.service)
    const more = rule(`other${turn}`, { matches: [match({ method: 'PUT' })] })
    table = createTable(portRoutes([...structuredClone(rules), more]), table)
  }
  assert.equal(seen.size, 3)
})

test('edits of the rule come first, then those of the backend; each name is said once', () => {
  const filters: HttpFilters = {
    request: {
      remove: ['x-gone'],
      set: [{ name: 'X-Set', value: 'rule' }],
      add: [{ name: 'X-Add', value: 'rule' }],
    },
  }
  const own: HttpFilters = {
    request: {
      remove: ['x-add'],
      set: [{ name: 'X-Gone', value: 'back' }],
      add: [
        { name: 'x-set', value: 'more' },
        { name: 'X-New', value: 'new' },
      ],
    },
  }
  const backends = [{ service: 'shop/a', port: 80, weight: 1, filters: own }]
  const table = createTable(portRoutes([rule('a', { filters, backends })]))
  const sent = route(
    table,
    request('/'),
    createDraw(() => 0),
  )
  assert.ok(sent.action === 'forward')
  assert.deepEqual(sent.requestEdits, {
    remove: ['x-add'],
    set: [
      { name: 'X-Gone', value: 'back' },
      { name: 'X-Set', value: 'rule' },
    ],
    add: [
      { name: 'x-set', value: 'more' },
      { name: 'X-New', value: 'new' },
    ],
  })
})

test('mirrors get exactly their fraction, each for itself', () => {
  const mirrors = [
    { service: 'shop/all', port: 80, numerator: 1, denominator: 1 },
    { service: 'shop/none', port: 80, numerator: 0, denominator: 100 },
    { service: 'shop/some', port: 81, numerator: 3, denominator: 1_000 },
  ]
  const table = createTable(portRoutes([rule('a', { filters: { mirrors } })]))
  const draw = createDraw(() => 0.9)
  const counts = new Map<string, number>()
  for (let turn = 0; turn < 2_000; turn += 1) {
    const sent = route(table, request('/'), draw)
    assert.ok(sent.action === 'forward')
    for (const { service } of sent.mirrors) counts.set(service, (counts.get(service) ?? 0) + 1)
  }
  assert.deepEqual(Object.fromEntries(counts), { 'shop/all': 2_000, 'shop/some': 6 })
})
