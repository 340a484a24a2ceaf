// Shares are exact: not on average, but after every single turn.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { createSplitter } from '../../../../src/nodeproxy/route/splitter.ts'

const weights = fc.oneof(
  fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 16 }),
  fc.array(fc.integer({ min: 1, max: 1_000_000 }), { minLength: 1, maxLength: 16 }),
)

const anyRandom = fc.double({ min: 0, max: 0.999, noNaN: true })

test('from the first turn, each share is never a whole turn away from what it is due', () => {
  fc.assert(
    fc.property(weights, fc.integer({ min: 1, max: 600 }), anyRandom, (all, turns, random) => {
      const total = all.reduce((sum, weight) => sum + weight, 0)
      const splitter = createSplitter(all, () => random)
      const counts = all.map(() => 0)
      for (let turn = 1; turn <= turns; turn += 1) {
        const index = splitter.next()
        counts[index] = (counts[index] ?? 0) + 1
        for (const [each, count] of counts.entries()) {
          const due = (turn * (all[each] ?? 0)) / total
          assert.ok(Math.abs(count - due) < 1, `${count} after ${turn}, where ${due} are due`)
        }
      }
    }),
    { numRuns: 200 },
  )
})

test('wherever it begins, it is exact over any whole round', () => {
  const small = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(small, anyRandom, (all, random) => {
      const total = all.reduce((sum, weight) => sum + weight, 0)
      const splitter = createSplitter(all, () => random)
      const picks = Array.from({ length: total * 3 }, () => splitter.next())
      for (let start = 0; start <= total * 2; start += 1) {
        const counts = all.map(() => 0)
        for (const pick of picks.slice(start, start + total)) counts[pick] = (counts[pick] ?? 0) + 1
        for (const [index, count] of counts.entries()) {
          // A window that is not a round of its own may cut one turn of a share off at each end.
          assert.ok(Math.abs(count - (all[index] ?? 0)) <= 1, `${counts.join()} for ${all.join()}`)
        }
      }
    }),
    { numRuns: 300 },
  )
})

test('one in a million gets one in a million', () => {
  const splitter = createSplitter([999_999, 1], () => 0.5)
  let rare = 0
  for (let turn = 0; turn < 2_000_000; turn += 1) rare += splitter.next()
  assert.equal(rare, 2)
})

test('proxies do not all begin with the same share', () => {
  const firsts = Array.from({ length: 100 }, (_, index) =>
    createSplitter([9, 1], () => index / 100).next(),
  )
  assert.equal(firsts.filter((first) => first === 1).length, 10)
})
