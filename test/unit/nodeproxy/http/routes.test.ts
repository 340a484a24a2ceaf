// Requests of services with routes, up to the orders that the engine is given.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { HttpRule } from '../../../../src/model/http-routes.ts'
import type { Service } from '../../../../src/model/resources.ts'
import type { RequestHead } from '../../../../src/nodeproxy/codecs/request-head.ts'
import { createEditCache } from '../../../../src/nodeproxy/http/edit-cache.ts'
import { createEndpointNumbers } from '../../../../src/nodeproxy/http/endpoints.ts'
import type { Exchange } from '../../../../src/nodeproxy/http/exchange.ts'
import { createHttpFlow } from '../../../../src/nodeproxy/http/flow.ts'
import type { EndpointCommand, ForwardOptions } from '../../../../src/nodeproxy/io/http-commands.ts'
import { blankHttp } from '../../../../src/nodeproxy/io/http-events.ts'
import { AttemptReason } from '../../../../src/nodeproxy/io/protocol.ts'
import { createDraw } from '../../../../src/nodeproxy/route/draw.ts'
import { bench, pod, service, viewOf, workload } from '../l4/support.ts'
import { match, request, rule } from '../route/builders.ts'

const vip = '10.96.0.10'
const place = { node: 'node1', zone: 'zone1' }
const keyOf = (name: string) => `ns/${name}.ns.svc.cluster.local`
const header = (name: string, value: string) => ({ remove: [], set: [{ name, value }], add: [] })

/** A port of no named protocol, routes on it, and the backends v1 and v2 without addresses. */
function world(rules: readonly HttpRule[]) {
  let nowMs = 1_000
  const b = bench([pod(1, '10.0.0.1')], { now: () => nowMs })
  const add = (name: string, ip: string, changes: Partial<Service> = {}) => {
    const one = workload(name, ip, 'node2')
    b.tables.setWorkload(one.uid, one)
    const ports = [{ name: '', port: 80, appProtocol: '' }]
    const view = viewOf({ ...service(name, vip, [one]), ports, ...changes }, place, [one])
    b.tables.setService(keyOf(name), view)
  }
  add('shop', '10.9.0.1')
  for (const [name, ip] of [
    ['v1', '10.9.1.1'],
    ['v2', '10.9.2.1'],
  ] as const) {
    add(name, ip, { addresses: [], addressesOmitted: true })
  }
  b.routes.set(keyOf('shop'), {
    type: 'routes',
    service: keyOf('shop'),
    tables: [{ port: 80, clients: '', rules }],
  })
  b.tables.setAddress(vip, {
    services: [{ key: keyOf('shop'), external: false }],
    workload: '',
  })
  b.accept({ asked: { address: vip, port: 80 } })
  const orders = {
    endpoints: [] as EndpointCommand[],
    forwarded: [] as ForwardOptions[],
    answered: [] as [number, string, string][],
  }
  const ended: Exchange[] = []
  let head: RequestHead = request('/')
  const commands = {
    http: () => undefined,
    endpoint: (command: EndpointCommand) => void orders.endpoints.push(command),
    endpointRemove: () => undefined,
    forward: (_: number, __: number, options: ForwardOptions) =>
      void orders.forwarded.push(options),
    respond: (_: number, status: number, fields: string, body: string) =>
      void orders.answered.push([status, fields, body]),
    resume: () => undefined,
    resetStream: () => undefined,
  }
  const flow = createHttpFlow({
    flow: b.context,
    commands,
    heads: { view: () => head },
    endpoints: createEndpointNumbers(commands, () => 5_000),
    observer: { ended: (exchange) => void ended.push(exchange), rejected: () => undefined },
    exchanges: new Map(),
    draw: createDraw(() => 0),
    encode: createEditCache(),
  })
  let stream = 0
  return {
    b,
    orders,
    ended,
    later: (ms: number) => void (nowMs += ms),
    ask: (target: string, changes: Parameters<typeof request>[1] = {}) => {
      stream += 1
      head = request(target, changes)
      flow.onRequest({ ...blankHttp.request(), stream, conn: 1 })
    },
    failed: (reason: number) =>
      flow.onAttemptFailed({ ...blankHttp.attemptFailed(), stream, reason, replayable: true }),
    done: (status: number) => flow.onStreamDone({ ...blankHttp.streamDone(), stream, status }),
    /** Third part of the address of the endpoint that was made known last: the backend. */
    backend: () => ((orders.endpoints.at(-1)?.destination[3] ?? 0) >>> 16) & 0xff,
  }
}

const to = (name: string, weight = 1) => ({ service: keyOf(name), port: 80, weight })
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1')

test('who attaches a route to a port says that it speaks HTTP', () => {
  const routed = world([rule('a', { backends: [to('v1')] })])
  assert.deepEqual([routed.b.http, routed.b.connects.length], [[1], 0])
  routed.b.routes.set(keyOf('shop'), undefined)
  routed.b.accept({ conn: 2, asked: { address: vip, port: 80 } })
  assert.deepEqual([routed.b.http, routed.b.connects.length], [[1], 1])
})

test('a request goes to the backend of its rule, by key alone', () => {
  const { ask, backend, orders } = world([
    rule('a', { matches: [match({ path: { type: 'exact', value: '/a' } })], backends: [to('v1')] }),
    rule('b', { backends: [to('v2')] }),
  ])
  ask('/a')
  assert.equal(backend(), 1)
  ask('/b')
  assert.equal(backend(), 2)
  assert.deepEqual(
    orders.forwarded.map(({ timeoutMs, edits }) => [timeoutMs, edits]),
    [
      [0, undefined],
      [0, undefined],
    ],
  )
})

test('shares are exact', () => {
  const { ask, done, b } = world([rule('a', { backends: [to('v1', 3), to('v2', 1)] })])
  const counts = new Map<string, number>()
  for (let turn = 0; turn < 400; turn += 1) {
    ask('/')
    const [key = ''] = b.balance.inFlight.keys()
    counts.set(key, (counts.get(key) ?? 0) + 1)
    done(200)
  }
  assert.deepEqual(Object.fromEntries(counts), { '10.9.1.1/8080': 300, '10.9.2.1/8080': 100 })
})

test('heads are changed as the rule says', () => {
  const { ask, orders } = world([
    rule('a', {
      filters: {
        request: header('X-Env', 'prod'),
        response: header('X-Seen', 'yes'),
        rewrite: { hostname: 'v1.example', path: { type: 'full', value: '/new' } },
      },
      backends: [to('v1')],
    }),
  ])
  ask('/old?q=1')
  const edits = text(orders.forwarded[0]?.edits)
  for (const part of ['/new?q=1', 'v1.example', 'X-Envprod', 'X-Seenyes']) {
    assert.ok(edits.includes(part), part)
  }
})

test('edits of a rule are encoded once', () => {
  const filters = { request: header('X-Env', 'prod') }
  const { ask, orders } = world([rule('a', { filters, backends: [to('v1')] })])
  ask('/')
  ask('/')
  const [first, second] = orders.forwarded
  assert.ok(first?.edits !== undefined && first.edits === second?.edits)
})

test('answers without a backend: 404, 500 and redirects', () => {
  const path = (value: string) => [match({ path: { type: 'exact', value } })]
  const invalid = { service: '', port: 0, weight: 1 }
  const redirect = { scheme: 'https', hostname: '', port: 0, status: 308 } as const
  const { ask, orders, done, ended } = world([
    rule('invalid', { matches: path('/invalid'), backends: [invalid] }),
    rule('none', { matches: path('/none'), backends: [] }),
    rule('away', { matches: path('/away'), backends: [], filters: { redirect } }),
  ])
  for (const target of ['/nowhere', '/invalid', '/none', '/away']) {
    ask(target, { authority: 'web.shop' })
    done(orders.answered.at(-1)?.[0] ?? 0)
  }
  assert.deepEqual(
    orders.answered.map(([status]) => status),
    [404, 500, 500, 308],
  )
  const [, fields, body] = orders.answered[3] ?? []
  assert.match(fields ?? '', /^date: .*\r\nLocation: https:\/\/web\.shop\/away\r\n$/)
  assert.equal(body, '')
  assert.deepEqual(
    ended.map(({ refusal, route }) => [refusal?.flag, route?.rule]),
    [
      ['NR', ''],
      ['NC', 'invalid'],
      ['NC', 'none'],
      [undefined, 'away'],
    ],
  )
  assert.deepEqual(orders.forwarded, [])
})

test('a request has its time over all attempts, and each attempt its own', () => {
  const timeouts = { requestTimeoutMs: 300, backendTimeoutMs: 200 }
  const filters = { response: header('X-Seen', 'yes') }
  const w = world([rule('a', { backends: [to('v1')], filters, ...timeouts })])
  // A second endpoint, to go on to.
  const both = ['10.9.1.1', '10.9.1.2'].map((ip) => workload(ip, ip, 'node2'))
  w.b.tables.setService(keyOf('v1'), viewOf(service('v1', vip, both), place, both))
  w.ask('/')
  w.later(150)
  w.failed(AttemptReason.connectFailed)
  assert.deepEqual(
    w.orders.forwarded.map(({ timeoutMs }) => timeoutMs),
    [200, 150],
  )
  w.failed(AttemptReason.timeout)
  const [status, fields] = w.orders.answered[0] ?? []
  assert.equal(status, 504)
  assert.match(fields ?? '', /\r\nX-Seen: yes\r\n$/)
  w.ask('/')
  w.later(301)
  w.failed(AttemptReason.connectFailed)
  assert.deepEqual([w.orders.forwarded.length, w.orders.answered[1]?.[0]], [3, 504])
})

test('a decided request stays with its decision when the routes change', () => {
  const { ask, b, failed, orders, backend } = world([rule('a', { backends: [to('v1')] })])
  const both = ['10.9.1.1', '10.9.1.2'].map((ip) => workload(ip, ip, 'node2'))
  b.tables.setService(keyOf('v1'), viewOf(service('v1', vip, both), place, both))
  ask('/')
  b.routes.set(keyOf('shop'), undefined)
  failed(AttemptReason.connectFailed)
  assert.deepEqual([orders.forwarded.length, backend()], [2, 1])
  ask('/')
  assert.equal(backend(), 0)
})
