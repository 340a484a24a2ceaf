import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { leastRequestPicker } from '../../../../src/nodeproxy/balance/picker.ts'
import { listOf, seededRandom, targets } from './support.ts'

test('a target that was tried is never picked again, and the last one left is', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.array(fc.integer({ min: 0, max: 11 })),
      fc.integer(),
      (count, triedIndexes, seed) => {
        const all = targets(count)
        const tried = triedIndexes.flatMap((index) => all[index]?.key ?? [])
        const picker = leastRequestPicker({
          targets: listOf(all),
          candidates: undefined,
          inFlight: new Map(),
          random: seededRandom(seed),
          staleAtMs: Number.POSITIVE_INFINITY,
        })
        const picked = picker.pick({ keys: tried, silentNodes: [] })
        const left = all.filter(({ key }) => !tried.includes(key))
        if (left.length === 0) assert.equal(picked, undefined)
        else assert.ok(picked !== undefined && left.includes(picked))
      },
    ),
  )
})

test('with equal load every target gets its share within a tenth', () => {
  const all = targets(7)
  const picker = leastRequestPicker({
    targets: listOf(all),
    candidates: undefined,
    inFlight: new Map(),
    random: seededRandom(42),
    staleAtMs: Number.POSITIVE_INFINITY,
  })
  const counts = new Map<string, number>()
  const rounds = 70_000
  for (let round = 0; round < rounds; round += 1) {
    const key = picker.pick({ keys: [], silentNodes: [] })?.key ?? 'none'
    counts.set(key, (counts.get(key) ?? 0) + 1)
  }
  assert.equal(counts.size, 7)
  for (const count of counts.values()) assert.ok(Math.abs(count - rounds / 7) < rounds / 70)
})

test('of two choices the one with fewer open connections wins, so load evens out', () => {
  const all = targets(10)
  const inFlight = new Map<string, number>()
  const random = seededRandom(7)
  const picker = leastRequestPicker({
    targets: listOf(all),
    candidates: undefined,
    inFlight,
    random,
    staleAtMs: Number.POSITIVE_INFINITY,
  })
  for (let round = 0; round < 10_000; round += 1) {
    const key = picker.pick({ keys: [], silentNodes: [] })?.key ?? 'none'
    inFlight.set(key, (inFlight.get(key) ?? 0) + 1)
  }
  const loads = [...inFlight.values()]
  // One random choice would spread these by about 130 (four standard deviations).
  assert.ok(Math.max(...loads) - Math.min(...loads) < 12, loads.join(' '))
})

test('with two targets the busier one is never picked', () => {
  const [a, b] = targets(2)
  assert.ok(a !== undefined && b !== undefined)
  fc.assert(
    fc.property(fc.integer(), fc.nat(100), fc.nat(100), (seed, loadA, loadB) => {
      fc.pre(loadA !== loadB)
      const picker = leastRequestPicker({
        targets: listOf([a, b]),
        candidates: undefined,
        inFlight: new Map([
          [a.key, loadA],
          [b.key, loadB],
        ]),
        random: seededRandom(seed),
        staleAtMs: Number.POSITIVE_INFINITY,
      })
      assert.equal(picker.pick({ keys: [], silentNodes: [] }), loadA < loadB ? a : b)
    }),
  )
})
