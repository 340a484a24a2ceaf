import assert from 'node:assert/strict'
import test from 'node:test'
import { encodeEdits } from '../../../../src/nodeproxy/codecs/edits.ts'
import { carriedAs } from '../../../../src/nodeproxy/codecs/protocol-choice.ts'

const none = { remove: [], set: [], add: [] }

test('edits are records of operation, lengths, name and value', () => {
  assert.equal(encodeEdits({}), undefined)
  assert.equal(encodeEdits({ request: none, response: none }), undefined)
  const bytes = encodeEdits({
    target: '/x',
    request: { ...none, remove: ['a'] },
    response: { ...none, add: [{ name: 'b', value: 'cd' }] },
  })
  const expected = '\u0004\u0000\u0002\u0000/x\u0001\u0001\u0000\u0000a\u0013\u0001\u0002\u0000bcd'
  assert.equal(Buffer.from(bytes ?? []).toString('latin1'), expected)
})

test('lengths of values take two bytes, and more is refused', () => {
  const set = (value: string) => encodeEdits({ authority: value })
  assert.deepEqual([...(set('x'.repeat(300)) ?? [])].slice(0, 4), [5, 0, 44, 1])
  assert.throws(() => set('x'.repeat(70_000)), RangeError)
})

test('only what is named HTTP/1.1 is carried request by request', () => {
  const names = ['http', 'tcp', 'http2', 'grpc', 'tls', '']
  assert.deepEqual(
    names.filter((name) => carriedAs(name) === 'http1'),
    ['http'],
  )
})
