import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { rememberClients, rendezvous } from '../../../../src/nodeproxy/balance/affinity.ts'
import { type BalanceState, createBalancer } from '../../../../src/nodeproxy/balance/balancer.ts'
import type { Tried } from '../../../../src/nodeproxy/balance/picker.ts'
import { trackHealth } from '../../../../src/nodeproxy/balance/health.ts'
import { listOf, seededRandom, targets } from './support.ts'

function state(seed = 1): BalanceState {
  return {
    inFlight: new Map(),
    health: trackHealth({ ejectMs: 1_000, maxEjectMs: 8_000 }),
    affinity: rememberClients(),
    random: seededRandom(seed),
  }
}

const tried = (...keys: readonly string[]) => ({ keys, silentNodes: [] })

test('an ejected target is never picked while another one is left, and comes back in time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 9 }),
      fc.uniqueArray(fc.nat(8)),
      fc.integer(),
      (count, ejectedIndexes, seed) => {
        const all = targets(count)
        const mine = state(seed)
        const balancer = createBalancer(
          { name: 's 80', targets: listOf(all), clientAffinitySeconds: 0 },
          mine,
        )
        const out = new Set(ejectedIndexes.flatMap((index) => all[index]?.key ?? []))
        balancer.pick('c', tried(), 0)
        for (const key of out) mine.health.failed(key, 0)
        for (let round = 0; round < 20; round += 1) {
          const key = balancer.pick('c', tried(), 500)?.key ?? 'none'
          assert.equal(out.has(key), out.size === count, 'only when all are out may one be used')
        }
        const seen = new Set<string>()
        for (let round = 0; round < 500; round += 1)
          seen.add(balancer.pick('c', tried(), 1_000)?.key ?? '')
        assert.equal(seen.size, count, 'after the ejection all are used again')
      },
    ),
  )
})

test('no targets: nothing is picked, with and without affinity', () => {
  for (const clientAffinitySeconds of [0, 10]) {
    const balancer = createBalancer(
      { name: 's 80', targets: listOf([]), clientAffinitySeconds },
      state(),
    )
    assert.equal(balancer.pick('c', tried(), 0), undefined)
  }
})

test('a client keeps its target when targets are added, until its time is over', () => {
  const mine = state()
  const options = { name: 's 80', clientAffinitySeconds: 10 }
  const before = createBalancer({ ...options, targets: listOf(targets(3)) }, mine)
  const clients = Array.from({ length: 40 }, (_, index) => `10.2.0.${index}`)
  const first = new Map(clients.map((client) => [client, before.pick(client, tried(), 0)?.key]))
  const after = createBalancer({ ...options, targets: listOf(targets(9)) }, mine)
  for (const client of clients) {
    assert.equal(after.pick(client, tried(), 9_999)?.key, first.get(client))
  }
  const late = clients.filter(
    (client) => after.pick(client, tried(), 20_000)?.key !== first.get(client),
  )
  assert.ok(late.length > 0, 'after the time, the hash over nine moves some of forty')
})

test('affinity: workers that share nothing choose alike; a failed target is left for good', () => {
  const all = targets(5)
  const options = { name: 's 80', targets: listOf(all), clientAffinitySeconds: 60 }
  const [one, other] = [createBalancer(options, state(1)), createBalancer(options, state(2))]
  for (let index = 0; index < 50; index += 1) {
    assert.equal(one.pick(`c${index}`, tried(), 0)?.key, other.pick(`c${index}`, tried(), 0)?.key)
  }
  const first = one.pick('c0', tried(), 1)?.key ?? ''
  const second = one.pick('c0', tried(first), 2)?.key
  assert.notEqual(second, first)
  assert.equal(one.pick('c0', tried(), 3)?.key, second)
})

test('the rendezvous hash spreads clients over all targets', () => {
  const all = listOf(targets(4))
  const counts = new Map<string, number>()
  for (let index = 0; index < 4_000; index += 1) {
    const key = all.keyAt(rendezvous(`10.0.${index >> 8}.${index & 255}`, all, undefined) ?? -1)
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  for (const count of counts.values()) assert.ok(count > 850 && count < 1_150, `${count}`)
})

test('remembered clients are bounded: the oldest is forgotten', () => {
  const affinity = rememberClients(2)
  for (const client of ['a', 'b', 'c']) affinity.remember('s', client, 'k', 10)
  assert.equal(affinity.size, 2)
  assert.equal(affinity.recall('s', 'a', 0), undefined)
  assert.equal(affinity.recall('s', 'c', 0), 'k')
  affinity.expire(10)
  assert.equal(affinity.size, 0)
})

test('where there is a choice, no other target of a node that is silent', () => {
  const [a, b, c] = targets(3)
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  const all = [
    { ...a, node: 'n1' },
    { ...b, node: 'n1' },
    { ...c, node: 'n2' },
  ]
  for (const clientAffinitySeconds of [0, 60]) {
    const balancer = createBalancer(
      { name: 's 80', targets: listOf(all), clientAffinitySeconds },
      state(),
    )
    const met: Tried = { keys: [a.key], silentNodes: ['n1'] }
    for (let client = 0; client < 20; client += 1) {
      assert.equal(balancer.pick(`${client}`, met, 0)?.key, c.key)
    }
    const both: Tried = { keys: [a.key, c.key], silentNodes: ['n1', 'n2'] }
    assert.equal(balancer.pick('c', both, 0)?.key, b.key, 'better than none')
  }
})
