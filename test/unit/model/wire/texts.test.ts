import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { messageType } from '../../../../src/model/wire/schema.ts'

const rejected = messageType('sluice.mesh.v1.Rejected')

function there(names: readonly string[]): unknown {
  return rejected.decode(rejected.encode({ names }))['names']
}

test('texts are read as they were written, however often they come', () => {
  const text = fc.oneof(
    fc.constantFrom('', 'node-1', 'node-2', 'zone-ä', 'x'.repeat(64), 'y'.repeat(65), '\u0080'),
    fc.string({ unit: 'grapheme', maxLength: 70 }),
    fc.string({ maxLength: 3 }),
  )
  fc.assert(
    fc.property(fc.array(text, { maxLength: 40 }), (names) => {
      for (let time = 0; time < 3; time += 1) assert.deepEqual(there(names), names)
    }),
  )
})

test('a text whose end is missing is an error, also where its beginning is known', () => {
  for (let time = 0; time < 3; time += 1) there(['service-1'])
  const bytes = rejected.encode({ names: ['service-1'] })
  assert.throws(() => rejected.decode(bytes.subarray(0, -1)))
})

test('texts that are no UTF-8 are an error each time', () => {
  const bytes = Uint8Array.from(rejected.encode({ names: ['ab'] }))
  bytes[2] = 0xff
  for (let time = 0; time < 3; time += 1) assert.throws(() => rejected.decode(bytes))
})
