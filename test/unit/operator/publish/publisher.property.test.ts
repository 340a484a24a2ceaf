// Whatever changes, subscribes, is acknowledged or rejected, in whatever order: in the end a node
// holds what the snapshot says for its subscriptions, and nothing else.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { diffResources } from '../../../../src/model/diff.ts'
import { servicesOfRoutes } from '../../../../src/model/http-routes.ts'
import { addressSubscription, nodeSubscription } from '../../../../src/model/names.ts'
import { type Resource, resourceName } from '../../../../src/model/resources.ts'
import type { Delta } from '../../../../src/model/source.ts'
import { versionOf } from '../../../../src/model/wire/resource-message.ts'
import { defaultLimits } from '../../../../src/operator/publish/limits.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { ip, network, resources } from '../../model/arbitrary.ts'

const node = 'n0'

/**
 * What each name is answered with, straight from the words of model/source.ts, over a plain list.
 */
function expected(all: readonly Resource[], names: Iterable<string>) {
  const byName = new Map(all.map((each) => [resourceName(each), each]))
  const held = new Map<string, Resource>()
  const told = new Map<string, 'present' | 'absent'>()
  const putSummary = (key: string) => {
    const service = byName.get(`service/${key}`)
    if (service?.type !== 'service' || held.has(`service/${key}`)) return
    held.set(`service/${key}`, { ...service, endpoints: [], endpointsOmitted: true })
  }
  const summaries: string[] = []
  const backends: string[] = []
  const putBackend = (key: string) => {
    const service = byName.get(`service/${key}`)
    if (service?.type !== 'service') return
    for (const endpoint of service.endpoints) putWorkload(endpoint.workload, false)
    if (held.has(`service/${key}`)) return
    const { externalAddresses: _external, ...rest } = service
    held.set(`service/${key}`, { ...rest, addresses: [], addressesOmitted: true })
  }
  const putWorkload = (uid: string, withServices: boolean) => {
    const workload = byName.get(`workload/${uid}`)
    if (workload?.type !== 'workload') return
    held.set(`workload/${uid}`, workload)
    if (withServices) summaries.push(...(workload.services ?? []))
  }
  for (const name of names) {
    if (name === nodeSubscription(node)) {
      told.set(name, 'present')
      for (const each of all) {
        if (each.type === 'settings') held.set('settings', each)
        if (each.type !== 'enrolment' || each.node !== node) continue
        held.set(resourceName(each), each)
        putWorkload(each.workload, true)
      }
      continue
    }
    const own = (each: { addresses: readonly { ip: string }[] }) =>
      each.addresses.some((one) => addressSubscription(network, one.ip) === name)
    const services = all.flatMap((each) => (each.type === 'service' && own(each) ? [each] : []))
    const workloads = all.flatMap((each) =>
      each.type === 'workload' && own(each) && !each.hostNetwork ? [each.uid] : [],
    )
    told.set(name, services.length + workloads.length > 0 ? 'present' : 'absent')
    for (const service of services) {
      held.set(resourceName(service), service)
      for (const endpoint of service.endpoints) putWorkload(endpoint.workload, false)
      const routes = byName.get(`routes/${service.key}`)
      if (routes?.type !== 'routes') continue
      held.set(resourceName(routes), routes)
      backends.push(...servicesOfRoutes(routes))
    }
    const first = workloads.sort()[0]
    if (first !== undefined) putWorkload(first, true)
  }
  for (const key of backends) putBackend(key)
  for (const key of summaries) putSummary(key)
  return { held, told }
}

/** A node's store as simple as can be. */
function createReceiver() {
  const held = new Map<string, Resource>()
  const told = new Map<string, 'present' | 'absent'>()
  const waiting: Delta[] = []
  return {
    held,
    told,
    waiting,
    apply(delta: Delta) {
      for (const name of delta.removals) held.delete(name)
      for (const resource of delta.upserts) held.set(resourceName(resource), resource)
      for (const name of delta.present ?? []) told.set(name, 'present')
      for (const name of delta.absent) told.set(name, 'absent')
    },
  }
}

const name = ip.map((one) => addressSubscription(network, one))
const names = fc.uniqueArray(name, { maxLength: 4 })
const step = fc.oneof(
  fc.record({ what: fc.constant('publish' as const), resources }),
  fc.record({ what: fc.constant('subscribe' as const), names }),
  fc.record({ what: fc.constant('unsubscribe' as const), names }),
  fc.record({ what: fc.constant('ack' as const) }),
  fc.record({ what: fc.constant('nack' as const), blame: fc.boolean() }),
)

test('a node ends with what the snapshot says for its subscriptions', () => {
  const property = fc.property(
    fc.array(step, { maxLength: 25 }),
    fc.integer({ min: 1, max: 6 }),
    (steps, itemsPerDelta) => {
      const publisher = createPublisher('test', { ...defaultLimits, itemsPerDelta })
      const receiver = createReceiver()
      const subscribed = new Set<string>([nodeSubscription(node)])
      let published: readonly Resource[] = []
      const session = publisher.connect(node, [], (delta) => void receiver.waiting.push(delta))
      const ack = () => {
        const delta = receiver.waiting.shift()
        if (delta === undefined) return false
        receiver.apply(delta)
        session.ack(delta.nonce)
        return true
      }
      for (const each of steps) {
        if (each.what === 'publish') {
          published = each.resources
          publisher.replace(published)
        } else if (each.what === 'subscribe') {
          for (const one of each.names) subscribed.add(one)
          session.subscribe(each.names)
        } else if (each.what === 'unsubscribe') {
          for (const one of each.names) {
            subscribed.delete(one)
            receiver.told.delete(one)
          }
          session.unsubscribe(each.names)
        } else if (each.what === 'ack') ack()
        else {
          const delta = receiver.waiting.shift()
          const blamed = each.blame ? (delta?.upserts ?? []).slice(0, 1).map(resourceName) : []
          if (delta !== undefined) session.nack(delta.nonce, 'no', blamed)
        }
        assert.ok(receiver.waiting.length <= 1, 'one delta at a time')
      }
      // What was rejected is sent again only when it is another: everything is removed, then comes
      // back.
      while (ack()) assert.ok(receiver.waiting.length <= 1)
      publisher.replace([])
      session.unsubscribe([...subscribed])
      while (ack()) assert.ok(receiver.waiting.length <= 1)
      publisher.replace(published)
      session.subscribe([...subscribed])
      let turns = 0
      while (ack()) assert.ok((turns += 1) < 200, 'deltas without end')
      const want = expected(published, subscribed)
      assert.deepEqual(receiver.held, want.held)
      for (const one of subscribed) assert.equal(receiver.told.get(one), want.told.get(one), one)
      assert.equal(session.status().resources, want.held.size)
    },
  )
  fc.assert(property, { numRuns: 1500 })
})

test('without rejections it holds at every quiet moment, no delta repeats', () => {
  const quiet = fc.oneof(
    fc.record({ what: fc.constant('publish' as const), resources }),
    fc.record({ what: fc.constant('subscribe' as const), names }),
    fc.record({ what: fc.constant('unsubscribe' as const), names }),
  )
  const property = fc.property(fc.array(quiet, { maxLength: 15 }), resources, (steps, first) => {
    const publisher = createPublisher('test')
    const receiver = createReceiver()
    const subscribed = new Set<string>([nodeSubscription(node)])
    let published = first
    publisher.replace(first)
    const session = publisher.connect(node, [], (delta) => void receiver.waiting.push(delta))
    for (const each of [...steps, { what: 'subscribe' as const, names: [] }]) {
      for (let delta = receiver.waiting.shift(); delta; delta = receiver.waiting.shift()) {
        for (const resource of delta.upserts) {
          assert.notDeepEqual(receiver.held.get(resourceName(resource)), resource)
        }
        receiver.apply(delta)
        session.ack(delta.nonce)
      }
      const want = expected(published, subscribed)
      assert.deepEqual(receiver.held, want.held)
      for (const one of subscribed) assert.equal(receiver.told.get(one), want.told.get(one), one)
      if (each.what === 'publish') {
        published = each.resources
        publisher.replace(published)
      } else if (each.what === 'subscribe') {
        for (const one of each.names) subscribed.add(one)
        session.subscribe(each.names)
      } else {
        for (const one of each.names) subscribed.delete(one)
        session.unsubscribe(each.names)
      }
    }
  })
  fc.assert(property, { numRuns: 1500 })
})

test('a change that no subscription is answered with sends nothing', () => {
  const property = fc.property(resources, resources, names, (before, after, asked) => {
    const publisher = createPublisher('test')
    publisher.replace(before)
    const sent: Delta[] = []
    const session = publisher.connect(node, asked, (delta) => void sent.push(delta))
    for (let told = 0; told < sent.length; told += 1) session.ack(sent[told]?.nonce ?? '')
    const count = sent.length
    publisher.replace(after)
    const subscribed = [nodeSubscription(node), ...asked]
    const [old, now] = [expected(before, subscribed), expected(after, subscribed)]
    const change = diffResources(old.held.values(), now.held.values())
    const same = change.upserts.length + change.removals.length === 0
    const toldSame = subscribed.every((one) => old.told.get(one) === now.told.get(one))
    assert.equal(sent.length, same && toldSame ? count : count + 1)
  })
  fc.assert(property, { numRuns: 2000 })
})

test('what a node says that it holds is not sent again, and what is gone is taken away', () => {
  const property = fc.property(resources, resources, names, names, (before, after, old, now) => {
    const receiver = createReceiver()
    const held = expected(before, [nodeSubscription(node), ...old])
    for (const [name, resource] of held.held) receiver.held.set(name, resource)
    const told = [...held.told].map(([name, state]) => [name, state] as const)
    const versions = new Map<string, string>(told)
    for (const [name, resource] of held.held) versions.set(name, versionOf(resource))
    for (const [name, state] of told) receiver.told.set(name, state)

    const publisher = createPublisher('test')
    const sent: Delta[] = []
    const send = (delta: Delta) => void sent.push(delta)
    const session = publisher.connect(node, now, send, { versions, versionOf })
    publisher.replace(after)
    for (let index = 0; index < sent.length; index += 1) {
      const delta = sent[index] ?? assert.fail()
      for (const resource of delta.upserts) {
        assert.notDeepEqual(receiver.held.get(resourceName(resource)), resource)
      }
      receiver.apply(delta)
      session.ack(delta.nonce)
    }
    const subscribed = [nodeSubscription(node), ...now]
    const want = expected(after, subscribed)
    assert.deepEqual(receiver.held, want.held)
    for (const one of subscribed) assert.equal(receiver.told.get(one), want.told.get(one), one)
    assert.equal(session.status().resources, want.held.size)
    assert.equal(sent.at(-1)?.complete, true)
  })
  fc.assert(property, { numRuns: 1500 })
})
