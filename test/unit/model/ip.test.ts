import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import test from 'node:test'
import fc from 'fast-check'
import { canonicalIp, familyOf } from '../../../src/model/ip.ts'

const cases: readonly (readonly [string, string | undefined])[] = [
  ['10.0.0.1', '10.0.0.1'],
  ['255.255.255.255', '255.255.255.255'],
  ['010.0.0.1', undefined],
  ['10.0.0', undefined],
  ['10.0.0.1.', undefined],
  ['10.0.0.256', undefined],
  ['FD00:0:0:0:0:0:0:1', 'fd00::1'],
  ['fd00::0001', 'fd00::1'],
  ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ['::', '::'],
  ['::ffff:10.0.0.1', '10.0.0.1'],
  ['::FFFF:0a00:0001', '10.0.0.1'],
  ['fe80::1%eth0', undefined],
  ['[::1]', undefined],
  ['::1/64', undefined],
  [':::', undefined],
  ['', undefined],
  ['example.com', undefined],
  ['1', undefined],
]

for (const [text, canonical] of cases) {
  test(`${JSON.stringify(text)} is ${canonical ?? 'no address'}`, () => {
    assert.equal(canonicalIp(text), canonical)
  })
}

test('every address has one canonical form, of which there is no other', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const canonical = canonicalIp(text)
      assert.ok(canonical !== undefined)
      assert.equal(canonicalIp(canonical), canonical)
      assert.equal(canonicalIp(text.toUpperCase()), canonical)
      assert.equal(isIP(canonical), familyOf(canonical) === 'ipv4' ? 4 : 6)
    }),
    { numRuns: 2000 },
  )
})

test('what Node calls no address is none', () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom('0', '1', '2', '5', '9', 'a', 'f', ':', ':', '.', '%', '[', ']', '/'),
        maxLength: 20,
      }),
      (text) => {
        const plain = isIP(text) !== 0 && !text.includes('%')
        assert.equal(canonicalIp(text) !== undefined, plain, text)
      },
    ),
    { numRuns: 5000 },
  )
})
