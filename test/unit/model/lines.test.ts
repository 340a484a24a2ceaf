import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { createLineSplitter } from '../../../src/model/codec/lines.ts'

const encoder = new TextEncoder()
/** With characters of one to four bytes, so that chunks cut through them. */
const line = fc.string({ unit: fc.constantFrom('a', 'é', '€', '😀', ' ', '\r'), minLength: 1 })

test('however the bytes are cut, the lines are the same', () => {
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(40)), (lines, cuts) => {
      const bytes = encoder.encode(lines.map((each) => `${each}\n`).join(''))
      const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
      const splitter = createLineSplitter(1_000_000)
      const found: string[] = []
      let start = 0
      for (const end of [...ends, bytes.length]) {
        found.push(...splitter.push(bytes.subarray(start, end)))
        start = end
      }
      assert.deepEqual(found, lines)
    }),
    { numRuns: 500 },
  )
})

test('empty lines are no messages, and what has no end yet is none', () => {
  const splitter = createLineSplitter(10)
  assert.deepEqual(splitter.push(encoder.encode('\n\na\n\nb')), ['a'])
  assert.deepEqual(splitter.push(encoder.encode('c\n')), ['bc'])
})

test('a line may have as many bytes as the limit says, and not one more', () => {
  const exact = createLineSplitter(6)
  assert.deepEqual(exact.push(encoder.encode('123456\n123456\n')), ['123456', '123456'])
  assert.deepEqual(exact.push(encoder.encode('123456')), [])
  assert.throws(() => exact.push(encoder.encode('7')), /a line of more than 6 bytes/)
  assert.throws(() => createLineSplitter(6).push(encoder.encode('1234567\n')), RangeError)
  // Characters are not bytes.
  assert.throws(() => createLineSplitter(6).push(encoder.encode('€€€\n')), RangeError)
})
