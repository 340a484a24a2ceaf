import assert from 'node:assert/strict'
import { constants } from 'node:os'
import test from 'node:test'
import type { RequestHead } from '../../../../src/nodeproxy/codecs/request-head.ts'
import { createEditCache } from '../../../../src/nodeproxy/http/edit-cache.ts'
import { createEndpointNumbers } from '../../../../src/nodeproxy/http/endpoints.ts'
import type { Exchange, ExchangeEnd } from '../../../../src/nodeproxy/http/exchange.ts'
import { createHttpFlow } from '../../../../src/nodeproxy/http/flow.ts'
import type { EndpointCommand } from '../../../../src/nodeproxy/io/http-commands.ts'
import { blankHttp } from '../../../../src/nodeproxy/io/http-events.ts'
import { AttemptReason, StreamReason } from '../../../../src/nodeproxy/io/protocol.ts'
import { refuse } from '../../../../src/nodeproxy/policy/refusal.ts'
import { createDraw } from '../../../../src/nodeproxy/route/draw.ts'
import { bench, pod, service, viewOf, workload } from '../l4/support.ts'

const { ECONNREFUSED } = constants.errno
const place = { node: 'node1', zone: 'zone1' }
const vip = '10.96.0.10'
const head: RequestHead = {
  method: 'GET',
  path: '/a',
  query: 'b',
  authority: 'shop',
  scheme: 'http',
  header: () => undefined,
}

/** A client's connection to a service whose port is named HTTP, and the orders that follow. */
function world(count: number, denied = false) {
  const b = bench([pod(1, '10.0.0.1')])
  const endpoints = Array.from({ length: count }, (_, index) =>
    workload(`w${index}`, `10.9.0.${index + 1}`, 'node2'),
  )
  const shop = service('shop', vip, endpoints)
  const http = { ...shop, ports: [{ name: 'http', port: 80, appProtocol: 'http' }] }
  for (const one of endpoints) b.tables.setWorkload(one.uid, one)
  b.tables.setService(http.key, viewOf(http, place, endpoints))
  b.tables.setAddress(vip, { services: [{ key: http.key, external: false }], workload: '' })
  b.accept({ asked: { address: vip, port: 80 } })
  const orders = {
    forwarded: [] as number[],
    answered: [] as number[],
    endpoints: [] as EndpointCommand[],
    ended: [] as [Exchange, ExchangeEnd][],
  }
  const commands = {
    http: () => undefined,
    endpoint: (command: EndpointCommand) => void orders.endpoints.push(command),
    endpointRemove: () => undefined,
    forward: (_: number, endpoint: number) => void orders.forwarded.push(endpoint),
    respond: (_: number, status: number) => void orders.answered.push(status),
    resume: () => undefined,
    resetStream: () => undefined,
  }
  const flow = createHttpFlow({
    flow: {
      ...b.context,
      authorize: () => (denied ? refuse('denied', 'by test') : undefined),
    },
    commands,
    heads: { view: () => head },
    endpoints: createEndpointNumbers(commands, () => 5_000),
    observer: {
      ended: (exchange, end) => void orders.ended.push([exchange, { ...end }]),
      rejected: () => undefined,
    },
    exchanges: new Map(),
    draw: createDraw(() => 0),
    encode: createEditCache(),
  })
  const request = (stream = 7) => flow.onRequest({ ...blankHttp.request(), stream, conn: 1 })
  const failed = (reason: number, error = 0) =>
    flow.onAttemptFailed({
      ...blankHttp.attemptFailed(),
      stream: 7,
      reason,
      error,
      replayable: true,
    })
  const done = (status: number) =>
    flow.onStreamDone({ ...blankHttp.streamDone(), stream: 7, status, reason: StreamReason.done })
  return { b, orders, request, failed, done }
}

test('a port that is named http is decided request by request', () => {
  const { b, orders, request, done } = world(1)
  assert.deepEqual([b.http, b.connects.length], [[1], 0])
  request()
  assert.deepEqual(orders.forwarded, [1])
  assert.equal(orders.endpoints[0]?.destinationPort, 8080)
  assert.equal(b.balance.inFlight.get('10.9.0.1/8080'), 1)
  done(200)
  assert.equal(b.balance.inFlight.size, 0)
  const [[exchange, end] = []] = orders.ended
  assert.deepEqual([exchange?.target, end?.status], ['/a?b', 200])
  request()
  assert.equal(orders.endpoints.length, 1, 'the endpoint is known already')
})

test('an endpoint that cannot be reached: another one, then an answer', () => {
  const { orders, request, failed, done } = world(2)
  request()
  failed(AttemptReason.connectFailed, ECONNREFUSED)
  assert.deepEqual(orders.forwarded, [1, 2])
  failed(AttemptReason.connectFailed, ECONNREFUSED)
  assert.deepEqual(orders.answered, [503])
  done(503)
  assert.equal(orders.ended[0]?.[0].refusal?.flag, 'UF')
})

test('what an endpoint may have acted upon is not tried again', () => {
  for (const [reason, status, flag] of [
    [AttemptReason.reset, 503, 'UC'],
    [AttemptReason.timeout, 504, 'UT'],
    [AttemptReason.badResponse, 502, 'UPE'],
  ] as const) {
    const { b, orders, request, failed, done } = world(2)
    request()
    failed(reason)
    done(status)
    assert.deepEqual([orders.forwarded.length, orders.answered], [1, [status]])
    assert.equal(orders.ended[0]?.[0].refusal?.flag, flag)
    assert.equal(b.balance.inFlight.size, 0)
  }
})

test('refusals: no endpoint, denied, the service is gone', () => {
  const none = world(0)
  none.request()
  assert.deepEqual([none.orders.answered, none.b.resets], [[503], []])
  const denied = world(1, true)
  denied.request()
  assert.deepEqual(denied.orders.answered, [403])
  const gone = world(1)
  gone.b.tables.setService(`ns/shop.ns.svc.cluster.local`, undefined)
  gone.request()
  assert.deepEqual(gone.orders.answered, [503])
})
