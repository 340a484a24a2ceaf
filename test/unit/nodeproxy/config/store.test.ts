import assert from 'node:assert/strict'
import test from 'node:test'
import { destinationOf } from '../../../../src/model/destination.ts'
import { addressSubscription } from '../../../../src/model/names.ts'
import type { MeshSettings } from '../../../../src/model/resources.ts'
import type { Delta } from '../../../../src/model/source.ts'
import type { StoreChange } from '../../../../src/nodeproxy/config/interfaces.ts'
import type { ResolverLimits } from '../../../../src/nodeproxy/config/resolver.ts'
import { createStore } from '../../../../src/nodeproxy/config/store.ts'
import { endpoint, enrolment, pod, service } from '../../model/builders.ts'
import { fakeClock, fakeSource, heldBy } from './support.ts'

const name = (ip: string) => addressSubscription('default', ip)
const web = service('web', { addresses: ['10.96.0.1'], endpoints: [endpoint('10.0.0.1')] })
const settings: MeshSettings = {
  type: 'settings',
  cluster: 'c',
  network: 'default',
  trustDomain: 'cluster.local',
  unclassified: 'count',
  outside: 'allow',
  acceleration: 'auto',
  failureMode: 'open',
  oldConnections: 'keep',
}
const first: Partial<Delta> = {
  initial: true,
  complete: true,
  upserts: [settings, pod('own', { addresses: ['10.0.0.2'] }), enrolment('own')],
}

function open(limits: Partial<ResolverLimits> = {}) {
  const clock = fakeClock()
  const source = fakeSource()
  const problems: string[] = []
  const store = createStore({
    node: 'n1',
    source: source.source,
    clock,
    limits,
    onProblem: (message) => void problems.push(message),
  })
  const changes: StoreChange[] = []
  store.onChange((change) => void changes.push(change))
  return { clock, source, store, problems, changes }
}

function connected(limits: Partial<ResolverLimits> = {}) {
  const parts = open(limits)
  parts.source.listener.onConnected()
  parts.source.deliver(first)
  return parts
}

test('it is complete once the source has named all pods of the node', () => {
  const { source, store } = open()
  assert.equal(store.complete, false)
  source.listener.onConnected()
  source.deliver({ initial: true, upserts: [settings] })
  assert.equal(store.complete, false)
  source.deliver({ complete: true, upserts: [enrolment('own')] })
  assert.equal(store.complete, true)
  assert.equal(store.get('uid-own')?.name, 'own')
  assert.deepEqual(source.said, ['ack 1', 'ack 2'])
})

test('what the operator leaves undecided stays as it was, for pods that are known', () => {
  const { source, store, changes } = connected()
  const wrong = { enrolled: false, reason: 'a wrong value', failureMode: 'open' } as const
  const closed = enrolment('closed', 'n1', { failureMode: 'closed' })
  source.deliver({ upserts: [closed] })
  const undecided = ['enrolled', 'failureMode'] as const
  const sent = (pod: string) =>
    enrolment(pod, 'n1', { ...wrong, addresses: ['10.0.0.9'], undecided })
  source.deliver({ upserts: [sent('closed'), sent('new')] })
  assert.deepEqual(store.get('uid-closed'), { ...closed, addresses: ['10.0.0.9'] })
  assert.deepEqual(changes.at(-1)?.upserts, [store.get('uid-closed'), sent('new')])
  assert.deepEqual(store.get('uid-new'), sent('new'))
  // What was by the preset still is.
  source.deliver({ upserts: [{ ...sent('new'), enrolled: true, reason: '' }] })
  assert.equal(store.get('uid-new')?.enrolled, true)
  source.deliver({ upserts: [enrolment('closed', 'n1', wrong)] })
  assert.equal(store.get('uid-closed')?.enrolled, false)
})

test('an unknown address is asked for once, all who wait get the answer', async () => {
  const { source, store } = connected()
  const waits = ['a', 'b', 'c'].map((requester) => store.resolve('10.96.0.1', requester))
  assert.deepEqual(source.said.slice(1), [`subscribe ${name('10.96.0.1')}`])
  assert.equal(store.status().waiting, 1)
  source.deliver({ upserts: [web], present: [name('10.96.0.1')] })
  for (const wait of waits) {
    assert.ok(wait instanceof Promise)
    assert.deepEqual(await wait, { state: 'known' })
  }
  const at = { network: store.network, ip: '10.96.0.1' }
  assert.equal(destinationOf(heldBy(store), at, 80).kind, 'service')
  // From now on without waiting and without asking.
  assert.deepEqual(store.resolve('10.96.0.1', 'a'), { state: 'known' })
  assert.equal(source.said.length, 3)
})

test('an address of nobody is absent, stays subscribed, and is noticed when it joins', async () => {
  const { source, store, changes } = connected()
  const wait = store.resolve('10.0.0.9', 'a')
  source.deliver({ absent: [name('10.0.0.9')] })
  assert.deepEqual(await wait, { state: 'absent' })
  assert.deepEqual(store.resolve('10.0.0.9', 'a'), { state: 'absent' })
  assert.ok(source.names.has(name('10.0.0.9')))
  source.deliver({
    upserts: [pod('late', { addresses: ['10.0.0.9'], node: 'n2' })],
    present: [name('10.0.0.9')],
  })
  assert.deepEqual(store.resolve('10.0.0.9', 'a'), { state: 'known' })
  assert.deepEqual(
    changes.map(({ resolved }) => resolved),
    [[], ['10.0.0.9'], ['10.0.0.9']],
  )
})

test('who waits is answered after 500 ms, later ones at once; the late answer counts', async () => {
  const { clock, source, store } = connected()
  const wait = store.resolve('10.96.0.1', 'a')
  clock.advance(300)
  const later = store.resolve('10.96.0.1', 'b')
  clock.advance(200)
  for (const each of [await wait, await later]) {
    assert.deepEqual(each, { state: 'unanswered', reason: 'no answer within 500 ms' })
  }
  assert.deepEqual(store.resolve('10.96.0.1', 'c'), {
    state: 'unanswered',
    reason: 'no answer so far',
  })
  source.deliver({ upserts: [web], present: [name('10.96.0.1')] })
  assert.deepEqual(store.resolve('10.96.0.1', 'c'), { state: 'known' })
})

test('an answer leaves no timer behind', async () => {
  const { clock, source, store } = connected()
  const before = clock.pending
  const wait = store.resolve('10.96.0.1', 'a')
  source.deliver({ absent: [name('10.96.0.1')] })
  await wait
  assert.equal(clock.pending, before)
})

test('while the source is away nobody waits in vain, and what is known is served', () => {
  const { clock, source, store } = connected()
  source.deliver({ upserts: [web] })
  source.listener.onDisconnected('gone')
  assert.equal(store.status().connected, false)
  assert.equal(store.status().reason, 'gone')
  // It may be back in a moment: within the first 500 ms waiting has a point.
  assert.ok(store.resolve('10.0.0.9', 'a') instanceof Promise)
  clock.advance(600)
  assert.deepEqual(store.resolve('10.0.0.10', 'a'), {
    state: 'unanswered',
    reason: 'the source is away',
  })
  assert.deepEqual(store.resolve('10.96.0.1', 'a'), { state: 'known' })
  assert.equal(store.get('uid-own')?.enrolled, true)
})

test('pods of this node need no subscription', () => {
  const { source, store } = connected()
  assert.deepEqual(store.resolve('10.0.0.2', 'a'), { state: 'known' })
  assert.equal(source.names.size, 0)
})

test('a pod known through its service is known at once, and subscribed to', () => {
  const { source, store } = connected()
  source.deliver({ upserts: [pod('remote', { addresses: ['10.0.0.1'], node: 'n2' })] })
  assert.deepEqual(store.resolve('10.0.0.1', 'a'), { state: 'known' })
  assert.deepEqual([...source.names], [name('10.0.0.1')])
})

test('after a reconnect what is gone leaves only when everything was sent again', () => {
  const { source, store, changes } = connected()
  source.deliver({ upserts: [web, pod('old', { addresses: ['10.0.0.5'], node: 'n2' })] })
  source.listener.onDisconnected('gone')
  source.listener.onConnected()
  source.deliver({ initial: true, upserts: [settings] })
  assert.ok(store.tables.service(web.key) !== undefined)
  source.deliver({ upserts: [web, enrolment('own')] })
  assert.ok(store.tables.workload('c/Pod/shop/old') !== undefined)
  source.deliver({ complete: true })
  assert.equal(store.tables.workload('c/Pod/shop/old'), undefined)
  assert.ok(store.tables.service(web.key) !== undefined)
  assert.equal(store.tables.at({ network: 'default', ip: '10.0.0.5' }), undefined)
  assert.deepEqual([...(changes.at(-1)?.removals ?? [])].sort(), [
    'workload/c/Pod/shop/old',
    'workload/c/Pod/shop/own',
  ])
})

test('a stream that breaks half-way leaves the old state, and the next one decides', () => {
  const { source, store } = connected()
  source.deliver({ upserts: [web] })
  source.deliver({ initial: true, upserts: [settings] })
  source.deliver({ initial: true, upserts: [settings, web] })
  assert.ok(store.get('uid-own') !== undefined)
  source.deliver({ complete: true, upserts: [] })
  assert.equal(store.get('uid-own'), undefined)
  assert.ok(store.tables.service(web.key) !== undefined)
})

test('what is meant for another node is rejected with its names, nothing is applied', () => {
  const { source, store, problems } = connected()
  source.deliver({ upserts: [web, enrolment('stranger', 'n2')] })
  assert.equal(store.tables.service(web.key), undefined)
  assert.match(
    source.said.at(-1) ?? '',
    /^nack 2 enrolment\/uid-stranger: node is 'n2', .* \[enrolment\/uid-stranger\]$/,
  )
  assert.equal(store.status().counts.deltasRejected, 1)
  assert.match(problems[0] ?? '', /configuration rejected, the last good one stays/)
  source.deliver({ upserts: [web] })
  assert.equal(store.status().lastError, '')
})

test('a network set wrongly does not make the whole mesh unknown in silence', () => {
  const { source, store } = open()
  source.deliver({ ...first, upserts: [{ ...settings, network: 'east' }] })
  assert.match(source.said[0] ?? '', /settings: network is 'east', and this node is in 'default'/)
  assert.match(store.status().lastError, /set one of the two right/)
})

test('what the source rejects to serve is told, and not waited for', async () => {
  const { source, store, problems } = connected()
  const wait = store.resolve('10.0.0.9', 'a')
  source.deliver({ refused: [{ name: name('10.0.0.9'), error: 'subscriptionsPerNode is 3' }] })
  assert.deepEqual(await wait, { state: 'unanswered', reason: 'subscriptionsPerNode is 3' })
  assert.equal(store.resolve('10.0.0.9', 'a') instanceof Promise, false)
  assert.match(problems[0] ?? '', /subscriptionsPerNode is 3/)
})

test('one who scans addresses does not use up what others need, and grows nothing', async () => {
  const { source, store } = connected({
    waitingPerRequester: 8,
    addressesPerRequester: 32,
    addresses: 64,
  })
  const mine = store.resolve('10.96.0.1', 'good')
  source.deliver({ upserts: [web], present: [name('10.96.0.1')] })
  assert.deepEqual(await mine, { state: 'known' })
  const results = Array.from({ length: 10_000 }, (_, n) =>
    store.resolve(`172.16.${n >> 8}.${n & 255}`, 'scanner'),
  )
  assert.ok(store.status().subscribed <= 33)
  assert.ok(store.status().waiting <= 8)
  assert.ok(source.names.size <= 33)
  const other = store.resolve('10.96.0.2', 'other')
  assert.ok(other instanceof Promise, 'another pod is asked for as ever')
  source.deliver({ absent: [...source.names].filter((one) => one !== name('10.96.0.1')) })
  assert.deepEqual(await other, { state: 'absent' })
  assert.deepEqual(store.resolve('10.96.0.1', 'good'), { state: 'known' })
  const settled = await Promise.all(results.map(async (each) => each))
  assert.ok(settled.every(({ state }) => state !== 'known'))
  assert.ok(store.status().counts.overLimit > 0)
})

test('over the limit of all, the one with the most addresses loses his oldest', () => {
  const { source, store } = connected({ addresses: 4, addressesPerRequester: 3 })
  for (const ip of ['10.1.0.1', '10.1.0.2', '10.1.0.3']) void store.resolve(ip, 'many')
  void store.resolve('10.2.0.1', 'few')
  void store.resolve('10.3.0.1', 'new')
  assert.deepEqual(
    [...source.names].sort(),
    ['10.1.0.2', '10.1.0.3', '10.2.0.1', '10.3.0.1'].map(name),
  )
})

test('of a full share the one goes that was not used for longest', () => {
  const { source, store } = connected({ addressesPerRequester: 2 })
  for (const ip of ['10.1.0.1', '10.1.0.2', '10.1.0.1', '10.1.0.3']) void store.resolve(ip, 'a')
  assert.deepEqual([...source.names].sort(), ['10.1.0.1', '10.1.0.3'].map(name))
  store.touch(['10.1.0.1'])
  void store.resolve('10.1.0.4', 'a')
  assert.deepEqual([...source.names].sort(), ['10.1.0.1', '10.1.0.4'].map(name))
})

test('an address that nobody uses is unsubscribed, absent ones sooner; touched ones stay', () => {
  const { clock, source, store } = connected({ idleMs: 100_000, idleAbsentMs: 50_000 })
  for (const ip of ['10.96.0.1', '10.96.0.2', '10.0.0.9']) void store.resolve(ip, 'a')
  source.deliver({
    upserts: [web],
    present: [name('10.96.0.1'), name('10.96.0.2')],
    absent: [name('10.0.0.9')],
  })
  clock.advance(65_000)
  assert.deepEqual([...source.names].sort(), [name('10.96.0.1'), name('10.96.0.2')])
  store.touch(['10.96.0.2'])
  clock.advance(60_000)
  assert.deepEqual([...source.names], [name('10.96.0.2')])
  assert.equal(store.status().counts.expired, 2)
})

test('listeners see the new tables, before the source is told', () => {
  const { source, store } = connected()
  const seen: (string | undefined)[] = []
  const stop = store.onChange(() => {
    seen.push(store.tables.service(web.key)?.name, source.said.at(-1))
  })
  source.deliver({ upserts: [web] })
  assert.deepEqual(seen, ['web', 'ack 1'])
  stop()
  source.deliver({ removals: [`service/${web.key}`] })
  assert.equal(seen.length, 2)
})

test('what somebody was given of the tables does not change under him', () => {
  const { source, store } = connected()
  source.deliver({ upserts: [web] })
  const before = store.tables.service(web.key)
  const table = store.tables.serviceTable(web.key) ?? assert.fail()
  const bytes = Buffer.from(table).toString('hex')
  source.deliver({ upserts: [{ ...web, name: 'other' }] })
  assert.deepEqual(before, web)
  assert.equal(Buffer.from(table).toString('hex'), bytes, 'workers read it')
  assert.equal(store.tables.service(web.key)?.name, 'other')
})

test('closing lets nobody wait, and leaves no timer', async () => {
  const { clock, source, store } = connected()
  const wait = store.resolve('10.96.0.1', 'a')
  await store.close()
  assert.deepEqual(await wait, { state: 'unanswered', reason: 'the proxy ends' })
  assert.equal(source.said.at(-1), 'close')
  assert.equal(clock.pending, 0)
})
