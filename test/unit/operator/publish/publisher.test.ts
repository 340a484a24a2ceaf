import assert from 'node:assert/strict'
import test from 'node:test'
import { addressSubscription } from '../../../../src/model/names.ts'
import { type Resource, resourceName } from '../../../../src/model/resources.ts'
import type { Delta } from '../../../../src/model/source.ts'
import { defaultMesh } from '../../../../src/operator/compile/compile.ts'
import { defaultLimits, type PublishLimits } from '../../../../src/operator/publish/limits.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { endpoint, enrolment, pod, service } from '../../model/builders.ts'

const name = (ip: string) => addressSubscription('default', ip)
const namesOf = (delta: Delta | undefined) => delta?.upserts.map(resourceName)

const web = service('web', {
  addresses: ['10.96.0.1'],
  endpoints: [endpoint('10.0.0.1', { workload: 'c/Pod/shop/web' })],
})
const mesh: readonly Resource[] = [
  defaultMesh,
  web,
  pod('web', { addresses: ['10.0.0.1'], node: 'n2', services: [web.key] }),
  enrolment('web', 'n2'),
  pod('client', { addresses: ['10.0.0.2'], node: 'n1' }),
  enrolment('client', 'n1'),
]

function connect(resources: readonly Resource[] | undefined, limits: Partial<PublishLimits> = {}) {
  const publisher = createPublisher('test', { ...defaultLimits, ...limits })
  if (resources !== undefined) publisher.replace(resources)
  const sent: Delta[] = []
  const session = publisher.connect('n1', [], (delta) => void sent.push(delta))
  const last = () => sent.at(-1)
  const ack = () => session.ack(last()?.nonce ?? '')
  return { publisher, session, sent, last, ack }
}

test('a node is sent its own pods at once, and no others', () => {
  const { sent } = connect(mesh)
  assert.deepEqual(namesOf(sent[0]), [
    'settings',
    'workload/c/Pod/shop/client',
    'enrolment/uid-client',
  ])
  assert.deepEqual(sent[0]?.present, ['node/n1'])
  assert.equal(sent[0]?.initial, true)
  assert.equal(sent[0]?.complete, true)
})

test('a node whose pods are endpoints is sent the services without endpoints', () => {
  const { publisher } = connect(mesh)
  const sent: Delta[] = []
  publisher.connect('n2', [], (delta) => void sent.push(delta))
  const sentService = sent[0]?.upserts.find(({ type }) => type === 'service')
  assert.deepEqual(sentService, { ...web, endpoints: [], endpointsOmitted: true })
})

test('before anything was published nobody is told that there is nothing', () => {
  const { sent, publisher } = connect(undefined)
  assert.equal(sent.length, 0)
  publisher.replace(mesh)
  assert.equal(sent.length, 1)
})

test('the address of a service brings its endpoints and their workloads, before it', () => {
  const { session, ack, last } = connect(mesh)
  ack()
  session.subscribe([name('10.96.0.1')])
  assert.deepEqual(namesOf(last()), ['workload/c/Pod/shop/web', `service/${web.key}`])
  assert.deepEqual(last()?.present, [name('10.96.0.1')])
  assert.equal(last()?.initial, undefined)
})

test('the address of a pod brings the workload and its services, without endpoints', () => {
  const { session, ack, last } = connect(mesh)
  ack()
  session.subscribe([name('10.0.0.1')])
  const sentService = last()?.upserts.find(({ type }) => type === 'service')
  assert.ok(sentService?.type === 'service' && sentService.endpointsOmitted)
  ack()
  // The cluster IP is asked for too: the whole service takes its place.
  session.subscribe([name('10.96.0.1')])
  assert.deepEqual(last()?.upserts, [web])
  ack()
  session.unsubscribe([name('10.96.0.1')])
  assert.equal(last()?.upserts[0]?.type === 'service' && last()?.upserts.length, 1)
  assert.deepEqual(last()?.removals, [])
})

test('endpoints that change are no news for who asked for a pod, ports are', () => {
  const { publisher, session, ack, last, sent } = connect(mesh)
  ack()
  session.subscribe([name('10.0.0.1')])
  ack()
  publisher.apply({ upserts: [{ ...web, endpoints: [] }], removals: [] })
  assert.equal(sent.length, 2)
  const ports = [{ name: 'http', port: 8080, appProtocol: '' }]
  publisher.apply({ upserts: [{ ...web, ports }], removals: [] })
  assert.equal(sent.length, 3)
  assert.deepEqual(last()?.upserts, [{ ...web, ports, endpoints: [], endpointsOmitted: true }])
})

test('who asks again for what is subscribed is answered again', () => {
  const { session, ack, last, sent } = connect(mesh)
  ack()
  session.subscribe([name('10.96.0.1'), name('10.0.0.9')])
  ack()
  session.subscribe([name('10.96.0.1'), name('10.0.0.9')])
  assert.equal(sent.length, 3)
  assert.deepEqual(last()?.present, [name('10.96.0.1')])
  assert.deepEqual(last()?.absent, [name('10.0.0.9')])
  assert.deepEqual(last()?.upserts, [])
})

test('one who leaves takes nothing from another who asked for the same', () => {
  const { publisher, session, ack, sent } = connect(mesh)
  ack()
  const others: Delta[] = []
  const other = publisher.connect('n3', [name('10.96.0.1')], (delta) => void others.push(delta))
  other.ack('1')
  session.subscribe([name('10.96.0.1')])
  ack()
  session.unsubscribe([name('10.96.0.1')])
  ack()
  publisher.apply({ upserts: [{ ...web, clientIpAffinitySeconds: 9 }], removals: [] })
  assert.equal(others.length, 2)
  assert.deepEqual(namesOf(others[1]), [`service/${web.key}`])
  assert.equal(sent.length, 3)
})

test('an address nobody has is absent, until somebody has it, and again when he left', () => {
  const { publisher, session, ack, last, sent } = connect(mesh)
  ack()
  session.subscribe([name('10.0.0.9')])
  assert.deepEqual(last()?.absent, [name('10.0.0.9')])
  ack()
  const late = pod('late', { addresses: ['10.0.0.9'] })
  publisher.apply({ upserts: [late], removals: [] })
  assert.deepEqual(namesOf(last()), ['workload/c/Pod/shop/late'])
  assert.deepEqual(last()?.present, [name('10.0.0.9')])
  ack()
  publisher.apply({ upserts: [], removals: [resourceName(late)] })
  assert.deepEqual(last()?.removals, ['workload/c/Pod/shop/late'])
  assert.deepEqual(last()?.absent, [name('10.0.0.9')])
  assert.equal(sent.length, 4)
})

test('while a delta is on its way changes gather, and the next has them all once', () => {
  const { publisher, session, ack, last, sent } = connect(mesh)
  session.subscribe([name('10.96.0.1')])
  for (const seconds of [1, 2, 3]) {
    publisher.apply({ upserts: [{ ...web, clientIpAffinitySeconds: seconds }], removals: [] })
  }
  assert.equal(sent.length, 1)
  ack()
  assert.equal(sent.length, 2)
  const sentService = last()?.upserts.find(({ type }) => type === 'service')
  assert.equal(sentService?.type === 'service' && sentService.clientIpAffinitySeconds, 3)
  ack()
  assert.equal(sent.length, 2)
})

test('an acknowledgement of another delta says nothing', () => {
  const { session, sent } = connect(mesh)
  session.subscribe([name('10.96.0.1')])
  session.ack('77')
  session.nack('77', 'no')
  assert.equal(sent.length, 1)
  assert.equal(session.status().waiting, true)
})

test('what a node rejects is left out, the rest is sent; it comes again when it changed', () => {
  const { publisher, session, ack, last, sent } = connect(mesh)
  ack()
  session.subscribe([name('10.96.0.1'), name('10.0.0.9')])
  session.nack(last()?.nonce ?? '', 'bad ports', [`service/${web.key}`])
  assert.deepEqual(namesOf(last()), ['workload/c/Pod/shop/web'])
  // Without the service the address is not answered: the node's failure mode decides.
  assert.equal(last()?.present, undefined)
  assert.deepEqual(last()?.absent, [name('10.0.0.9')])
  assert.equal(session.status().lastError, 'bad ports')
  ack()
  assert.equal(session.status().lastError, '')
  assert.equal(sent.length, 3)
  publisher.apply({ upserts: [{ ...web, clientIpAffinitySeconds: 9 }], removals: [] })
  assert.deepEqual(namesOf(last()), [`service/${web.key}`])
  assert.deepEqual(last()?.present, [name('10.96.0.1')])
})

test('a rejection that blames nothing is not answered with the same again', () => {
  const { publisher, session, last, sent } = connect(mesh)
  session.nack(last()?.nonce ?? '', 'out of memory')
  session.nack(last()?.nonce ?? '', 'again')
  assert.equal(sent.length, 1)
  assert.equal(session.status().nacked, 1)
  publisher.apply({ upserts: [enrolment('second', 'n1')], removals: [] })
  assert.equal(sent.length, 2)
  assert.ok(namesOf(last())?.includes('settings'), 'what was never applied is sent again')
})

test('large answers come in parts, references after their targets; complete says the last', () => {
  const { session, ack, sent } = connect(mesh, { itemsPerDelta: 1 })
  session.subscribe([name('10.96.0.1')])
  for (let turn = 0; turn < 8; turn += 1) ack()
  assert.deepEqual(sent.map(namesOf), [
    ['settings'],
    ['workload/c/Pod/shop/client'],
    ['workload/c/Pod/shop/web'],
    [`service/${web.key}`],
    ['enrolment/uid-client'],
  ])
  assert.deepEqual(
    sent.map(({ complete = false }) => complete),
    [false, false, false, false, true],
  )
  assert.deepEqual(
    sent.map(({ present = [] }) => present.length),
    [0, 0, 0, 1, 1],
  )
})

const refusals: readonly (readonly [string, string, RegExp])[] = [
  ['another node', 'node/n2', /asked for the pods of node n2: a node is sent its own alone/],
  ['no name', 'everything', /is no name to subscribe to: ask for address/],
  ['a wildcard', 'address/default', /is no name/],
  ['a long one', `address/default/${'1'.repeat(400)}`, /416 characters, the limit is 300/],
]

for (const [what, asked, error] of refusals) {
  test(`refused: ${what}`, () => {
    const { session, ack, last } = connect(mesh)
    ack()
    session.subscribe([asked])
    assert.equal(last()?.refused?.length, 1)
    assert.match(last()?.refused?.[0]?.error ?? '', error)
    assert.equal(session.status().subscriptions, 1)
  })
}

test('subscriptions of a node are bounded, and the error names the limit', () => {
  const { session, ack, last } = connect(mesh, { subscriptionsPerNode: 3, refusalsWaiting: 4 })
  ack()
  session.subscribe(Array.from({ length: 20 }, (_, n) => name(`10.1.0.${n}`)))
  assert.equal(session.status().subscriptions, 3)
  assert.equal(last()?.refused?.length, 4)
  assert.match(
    last()?.refused?.[0]?.error ?? '',
    /node n1 has 3 subscriptions, and subscriptionsPerNode is 3: unsubscribe/,
  )
  ack()
  session.unsubscribe([name('10.1.0.0')])
  session.subscribe([name('10.1.0.19')])
  assert.equal(session.status().subscriptions, 3)
  assert.equal(last()?.refused, undefined)
})

test('streams of a node are bounded', () => {
  const { publisher, session } = connect(mesh, { streamsPerNode: 1 })
  assert.throws(
    () => publisher.connect('n1', [], () => {}),
    /node n1 has 1 streams open, and streamsPerNode is 1/,
  )
  session.close()
  publisher.connect('n1', [], () => {})
})

test('a stream that is closed is sent nothing, and leaves nothing behind', () => {
  const { publisher, session, sent, ack } = connect(mesh)
  ack()
  session.subscribe([name('10.96.0.1')])
  session.close()
  publisher.apply({ upserts: [{ ...web, clientIpAffinitySeconds: 9 }], removals: [] })
  assert.equal(sent.length, 2)
  assert.deepEqual(publisher.status().sessions, [])
  assert.equal(publisher.status().answers, 0)
})

test('a pod that moves to another node leaves the one and joins the other', () => {
  const { publisher, ack, last } = connect(mesh)
  ack()
  publisher.apply({ upserts: [enrolment('client', 'n3')], removals: [] })
  assert.deepEqual(last()?.removals, ['enrolment/uid-client', 'workload/c/Pod/shop/client'])
})
