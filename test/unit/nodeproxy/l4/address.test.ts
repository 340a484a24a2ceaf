import assert from 'node:assert/strict'
import { SocketAddress } from 'node:net'
import test from 'node:test'
import fc from 'fast-check'
import { isMappedIpv4, textOf, wordsOf } from '../../../../src/nodeproxy/l4/address.ts'

const canonical = (text: string): string => textOf(wordsOf(text))

test('words hold the bytes in memory order, IPv4 as v4-mapped', () => {
  const bytes = (text: string): string =>
    Buffer.from(Int32Array.from(wordsOf(text)).buffer).toString('hex')
  assert.equal(bytes('10.1.2.3'), '00000000000000000000ffff0a010203')
  assert.equal(bytes('::1'), '00000000000000000000000000000001')
  assert.equal(bytes('fd00:1:2:3:4:5:6:7'), 'fd000001000200030004000500060007')
  assert.ok(isMappedIpv4(wordsOf('0.0.0.0')))
  assert.ok(!isMappedIpv4(wordsOf('::')))
})

test('text and back is the same address, in the form that the kernel and Node print', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const once = canonical(text)
      assert.equal(canonical(once), once)
      const family = once.includes(':') ? 'ipv6' : 'ipv4'
      // An IPv4-compatible address has two customary forms; ours is the plain one.
      fc.pre(!/^::[0-9a-f]*:?[0-9a-f]+$/u.test(once))
      assert.equal(
        once,
        new SocketAddress({
          address: text,
          family: text.includes(':') ? 'ipv6' : family,
        }).address.replace(/^::ffff:(?=\d+\.)/u, ''),
      )
    }),
  )
})

test('a v4-mapped address is the IPv4 address', () => {
  assert.equal(canonical('::ffff:10.0.0.1'), '10.0.0.1')
  assert.equal(textOf([0, ...wordsOf('10.0.0.1')], 1), '10.0.0.1')
})

test('what is no address is refused', () => {
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.256',
    '1:2',
    '1::2::3',
    'g::',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
  ]) {
    assert.throws(() => wordsOf(text), RangeError, text)
  }
})
