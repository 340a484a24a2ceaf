import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { createSlotPool } from '../../../../src/nodeproxy/l4/slots.ts'

test('no slot is ever given out twice, or one that is in use by somebody else', () => {
  fc.assert(
    fc.property(
      fc.array(fc.boolean(), { maxLength: 200 }),
      fc.uniqueArray(fc.integer({ min: 100, max: 119 })),
      (takes, inUse) => {
        const pool = createSlotPool(100, 20, inUse)
        const held: (readonly [number, number])[] = []
        const all = pool.free
        for (const take of takes) {
          if (take) {
            const slots = pool.take()
            assert.equal(slots === undefined, held.length === all)
            if (slots !== undefined) held.push(slots)
          } else {
            const slots = held.shift()
            if (slots !== undefined) pool.giveBack(slots)
          }
          const numbers = held.flat()
          assert.equal(new Set(numbers).size, numbers.length)
          for (const slot of numbers) assert.ok(slot >= 100 && slot < 120 && !inUse.includes(slot))
          assert.equal(pool.free + held.length, all)
        }
      },
    ),
  )
})

test('a slot that came back is used last', () => {
  const pool = createSlotPool(0, 6)
  const first = pool.take()
  assert.ok(first !== undefined)
  pool.giveBack(first)
  assert.deepEqual(
    [pool.take(), pool.take(), pool.take()],
    [
      [2, 3],
      [4, 5],
      [0, 1],
    ],
  )
})
