import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import {
  bodyOf,
  decodeHeader,
  decodePod,
  decodeSlots,
  decodeStats,
  encodeMessage,
  encodePair,
  encodePod,
} from '../../../../src/nodeproxy/keeper/codec.ts'
import { keeperStats } from '../../../../src/nodeproxy/keeper/protocol.ts'

test('a pod comes back as it went', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }),
      fc.string({ maxLength: 100 }),
      fc.string({ unit: 'grapheme', maxLength: 200 }),
      fc.array(fc.nat(), { maxLength: 8 }),
      (uid, alivePath, facts, fds) => {
        const pod = { uid, alivePath, facts, fds }
        assert.deepEqual(decodePod(encodePod(pod), fds), pod)
      },
    ),
  )
})

test('a message keeps type, number and body', () => {
  fc.assert(
    fc.property(fc.nat(65535), fc.nat(), fc.uint8Array(), (type, request, body) => {
      const message = encodeMessage(type, request, body)
      assert.deepEqual(decodeHeader(message), { type, request, status: 0 })
      assert.deepEqual(bodyOf(message), body)
    }),
  )
})

test('what is no message of the keeper is refused', () => {
  assert.throws(() => decodeHeader(new Uint8Array(3)), /3 bytes that are no message/)
  assert.throws(() => decodeHeader(new Uint8Array(16)), /is it another program\?/)
})

test('a pair lies as the header says', () => {
  const body = encodePair({
    clientLegCookie: 1n,
    serverLegCookie: 2n,
    clientAppCookie: 3n,
    serverAppCookie: 2n ** 63n,
    slotToServer: -1,
    slotToClient: 7,
    clientLegFd: 10,
    serverLegFd: 11,
  })
  const view = new DataView(body.buffer)
  assert.deepEqual(
    [0, 8, 16, 24].map((at) => view.getBigUint64(at, true)),
    [1n, 2n, 3n, 2n ** 63n],
  )
  assert.deepEqual([view.getInt32(32, true), view.getInt32(36, true)], [-1, 7])
  assert.ok(body.subarray(40).every((byte) => byte === 0))
})

test('parts that are too long are refused with their size', () => {
  const long = { uid: 'ü'.repeat(100), alivePath: '', facts: '' }
  assert.throws(() => encodePod(long), /uid has 200 bytes, the keeper takes 128/)
  assert.throws(() => encodePod({ ...long, uid: 'a', facts: 'x'.repeat(5000) }), /facts has 5000/)
})

test('counts and slots are numbers in order', () => {
  const counts = new BigUint64Array(keeperStats.length).map((_, index) => BigInt(index) * 3n)
  const stats = decodeStats(new Uint8Array(counts.buffer))
  assert.deepEqual(
    Object.entries(stats),
    keeperStats.map((name, index) => [name, index * 3]),
  )
  assert.deepEqual(decodeSlots(new Uint8Array(Int32Array.of(5, 6, 9).buffer)), [5, 6, 9])
  assert.deepEqual(decodeSlots(new Uint8Array(0)), [])
})
