import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decodeClientMessage, encodeClientMessage } from '../../../src/model/codec/client-codec.ts'
import { decodeResource, encodeResource } from '../../../src/model/codec/resource-codec.ts'
import { decodeServerMessage, encodeServerMessage } from '../../../src/model/codec/server-codec.ts'
import { unreadableVersion } from '../../../src/model/codec/version.ts'
import { type Resource, resourceName } from '../../../src/model/resources.ts'
import type { Delta } from '../../../src/model/source.ts'
import { resource, resources } from './arbitrary.ts'

/** As it would come off the wire. */
function overTheWire(value: object): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value)) as Record<string, unknown>
}

function decodedOf(value: unknown): Resource {
  const result = decodeResource(value)
  assert.ok(result.ok, result.ok ? '' : result.error)
  assert.ok(result.value !== undefined)
  return result.value
}

function errorOf(value: unknown): string {
  const result = decodeResource(value)
  assert.ok(!result.ok, 'was accepted')
  return result.error
}

test('a resource comes back as it was sent', () => {
  fc.assert(
    fc.property(resource, (sent) => {
      assert.deepEqual(decodedOf(overTheWire(encodeResource(sent))), sent)
    }),
    { numRuns: 1000 },
  )
})

test('fields that are not known are ignored', () => {
  fc.assert(
    fc.property(resource, fc.jsonValue(), (sent, value) => {
      const wire = { ...overTheWire(encodeResource(sent)), fromTheFuture: value }
      assert.deepEqual(decodedOf(wire), sent)
    }),
  )
})

test('a resource of a type that is not known is passed over', () => {
  assert.deepEqual(decodeResource({ type: 'route', key: 'a' }), { ok: true, value: undefined })
})

test('whatever comes, there is a value or an error that is one line', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.constantFrom('workload', 'service', 'enrolment', 'settings'),
      (value, type) => {
        const wire = typeof value === 'object' && !Array.isArray(value) ? { type, ...value } : value
        const result = decodeResource(wire)
        if (!result.ok) assert.match(result.error, /^[^\n]+$/)
      },
    ),
    { numRuns: 1000 },
  )
})

test('whatever a node or a source sends, decoding does not throw', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      decodeClientMessage(text)
      decodeServerMessage(text)
    }),
    { numRuns: 1000 },
  )
})

const service = {
  type: 'service',
  key: 'shop/web.shop.svc',
  namespace: 'shop',
  name: 'web',
  hostname: 'web.shop.svc',
}

const faults: readonly (readonly [string, object, RegExp])[] = [
  [
    'wrong type',
    { ...service, publishNotReadyAddresses: 'no' },
    /^service\/shop\/web\.shop\.svc: publishNotReadyAddresses is "no", not true or false: /,
  ],
  [
    'missing',
    { ...service, hostname: undefined },
    /hostname is missing: give text that is not empty/,
  ],
  [
    'not allowed',
    { ...service, internalTrafficPolicy: 'some' },
    /internalTrafficPolicy is "some", not one of 'cluster', 'local'/,
  ],
  [
    'deep inside',
    { ...service, ports: [{ port: 1 }, { port: 70_000 }] },
    /ports\[1\]\.port is 70000, not a whole number from 1 to 65535/,
  ],
  [
    'address',
    { ...service, addresses: ['default/10.0.0.01'] },
    /addresses has "default\/10\.0\.0\.01": give 'network\/ip'/,
  ],
  ['address not canonical', { ...service, addresses: ['default/FD00::1'] }, /canonical form/],
  ['address without network', { ...service, addresses: ['10.0.0.1'] }, /give 'network\/ip'/],
  [
    'target ports',
    { ...service, endpoints: [{ address: 'n/10.0.0.1', ports: '80:x' }] },
    /endpoints\[0\]\.ports has "80:x": give 'port:port'/,
  ],
  ['no list', { ...service, endpoints: { 0: 'a' } }, /endpoints is \{"0":"a"\}, not a list/],
  ['no type', {}, /no type/],
  ['no object', [], /is \[\], not an object|has no type/],
]

for (const [name, wire, error] of faults) {
  test(`a bad resource is named with field and fix: ${name}`, () => {
    assert.match(errorOf(wire), error)
  })
}

test('many faults are told in one go, and not without end', () => {
  const error = errorOf({ ...service, ports: Array.from({ length: 20 }, () => ({ port: 0 })) })
  assert.match(error, /ports\[0\].*ports\[4\].*; and 15 more$/)
})

/**
 * As version 1 first wrote it, before `services`, `externalAddresses`, `endpointsOmitted` were
 * added.
 */
test('what was written without the fields that were added since is read', () => {
  const line = JSON.stringify({
    v: 1,
    type: 'delta',
    nonce: '1',
    version: 'a',
    upserts: [
      { ...service, addresses: ['default/10.96.0.1'], ports: [{ name: 'http', port: 80 }] },
      {
        type: 'workload',
        uid: 'c/Pod/shop/p',
        cluster: 'c',
        namespace: 'shop',
        name: 'p',
        trustDomain: 'cluster.local',
      },
    ],
  })
  const decoded = decodeServerMessage(line)
  assert.ok(decoded.ok && decoded.message.type === 'delta')
  const [web, pod] = decoded.message.delta.upserts
  assert.deepEqual(web, {
    ...service,
    addresses: [{ network: 'default', ip: '10.96.0.1' }],
    ports: [{ name: 'http', port: 80, appProtocol: '' }],
    endpoints: [],
    clientIpAffinitySeconds: 0,
    internalTrafficPolicy: 'cluster',
    externalTrafficPolicy: 'cluster',
    publishNotReadyAddresses: false,
    trafficDistribution: '',
  })
  assert.equal(pod?.type === 'workload' && pod.tunnel, 'none')
})

test('a delta comes back as it was sent', () => {
  const names = fc.array(fc.string({ minLength: 1 }), { maxLength: 3 })
  const delta = fc.record({
    nonce: fc.string({ minLength: 1 }),
    version: fc.string(),
    upserts: resources,
    removals: names,
    absent: names,
    flag: fc.boolean(),
    present: names,
  })
  fc.assert(
    fc.property(delta, ({ flag, present, ...rest }) => {
      const sent: Delta = {
        ...rest,
        ...(present.length > 0 ? { present, refused: [{ name: 'x', error: 'limit' }] } : {}),
        ...(flag ? { initial: true, complete: true } : {}),
      }
      const line = encodeServerMessage({ type: 'delta', delta: sent })
      assert.ok(!line.includes('\n'))
      assert.deepEqual(decodeServerMessage(line), {
        ok: true,
        message: { type: 'delta', delta: sent },
      })
    }),
  )
})

test('the bad resources of a delta are named, for the source to leave them out', () => {
  const good = { ...service, key: 'shop/good' }
  const bad = { ...service, key: 'shop/bad', ports: 7 }
  const line = JSON.stringify({
    v: 1,
    type: 'delta',
    nonce: '9',
    upserts: [good, bad, { type: 'workload', uid: 'w' }],
  })
  const decoded = decodeServerMessage(line)
  assert.ok(!decoded.ok)
  assert.equal(decoded.nonce, '9')
  assert.deepEqual(decoded.rejected, ['service/shop/bad', 'workload/w'])
  assert.match(decoded.error, /service\/shop\/bad: ports is 7.*workload\/w: cluster is missing/)
})

test('messages of a node come back as they were sent', () => {
  for (const message of [
    { type: 'hello', node: 'n1', subscribe: ['address/default/10.0.0.1'] },
    { type: 'subscribe', names: ['a'] },
    { type: 'unsubscribe', names: [] },
    { type: 'ack', nonce: '7' },
    { type: 'nack', nonce: '7', error: 'no', rejected: ['service/x'] },
  ] as const) {
    assert.deepEqual(decodeClientMessage(encodeClientMessage(message)), {
      ok: true,
      value: message,
    })
  }
})

test('a cut line and another protocol are told apart', () => {
  const cut = decodeClientMessage('{"v":1,"type":"ack"')
  assert.ok(!cut.ok && /no JSON.*the line was cut/.test(cut.error))
  const other = decodeServerMessage('{"hello":"world"}')
  assert.ok(!other.ok && /another protocol/.test(other.error))
})

test('this version and the one before are read', () => {
  const readable = (version: unknown, current: number) =>
    unreadableVersion(version, current) === undefined
  assert.ok(readable(1, 1))
  assert.ok(readable(2, 3))
  assert.ok(readable(3, 3))
  assert.ok(!readable(0, 1))
  assert.ok(!readable('3', 3))
  assert.match(unreadableVersion(1, 3) ?? '', /upgrade the other side/)
  assert.match(unreadableVersion(4, 3) ?? '', /upgrade this side/)
})

test('endpoints with the same ports share one object', () => {
  const endpoints = [1, 2].map((n) => ({ address: `n/10.0.0.${n}`, ports: '80:8080' }))
  const read = decodedOf({ ...service, endpoints })
  assert.ok(read.type === 'service')
  assert.equal(read.endpoints[0]?.ports, read.endpoints[1]?.ports)
  assert.equal(resourceName(read), 'service/shop/web.shop.svc')
})
