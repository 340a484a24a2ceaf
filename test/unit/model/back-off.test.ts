import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { createBackOff } from '../../../src/model/back-off.ts'

test('waits double up to the maximum, and half of each is random', () => {
  const low = createBackOff({ firstMs: 50, maxMs: 1_000, random: () => 0 })
  const high = createBackOff({ firstMs: 50, maxMs: 1_000, random: () => 0.999_999 })
  const waits = Array.from({ length: 7 }, () => [low.nextMs(), Math.round(high.nextMs())])
  assert.deepEqual(waits, [
    [25, 50],
    [50, 100],
    [100, 200],
    [200, 400],
    [400, 800],
    [500, 1_000],
    [500, 1_000],
  ])
  low.reset()
  assert.equal(low.nextMs(), 25)
})

test('it never waits longer than the maximum, however long it fails', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 0.999_999, noNaN: true }), (value) => {
      const backOff = createBackOff({ firstMs: 50, maxMs: 5_000, random: () => value })
      for (let turn = 0; turn < 2_000; turn += 1) assert.ok(backOff.nextMs() <= 5_000)
    }),
    { numRuns: 20 },
  )
})
