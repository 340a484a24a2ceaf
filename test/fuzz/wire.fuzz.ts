import assert from 'node:assert/strict'
import fc from 'fast-check'
import { decodeClientMessage, encodeClientMessage } from '../../src/model/codec/client-codec.ts'
import { decodeServerMessage, encodeServerMessage } from '../../src/model/codec/server-codec.ts'
import { defaultMesh } from '../../src/operator/compile/compile.ts'
import { mutate, mutations } from './mutate.ts'

const seeds: readonly unknown[] = [
  { v: 1, type: 'hello', node: 'a', subscribe: ['node/a'] },
  { v: 1, type: 'nack', nonce: '1', error: 'e', rejected: ['service/a/b'] },
  { v: 1, type: 'error', error: 'e' },
  {
    v: 1,
    type: 'delta',
    nonce: '1',
    version: '2',
    upserts: [defaultMesh],
    initial: true,
    removals: ['service/a/b'],
    absent: ['address/default/10.0.0.1'],
    present: ['node/a'],
    refused: [{ name: 'x', error: 'y' }],
    complete: true,
  },
]

const line = fc.oneof(
  fc
    .tuple(fc.constantFrom(...seeds), mutations)
    .map(([seed, changes]) => JSON.stringify(mutate(seed, changes)) ?? ''),
  fc.string({ unit: 'binary' }),
)

/** Any line is read, or refused with an error in words; what is read survives being written. */
export const property = fc.property(line, (text) => {
  const fromServer = decodeServerMessage(text)
  if (fromServer.ok) {
    const again = decodeServerMessage(encodeServerMessage(fromServer.message))
    assert.deepEqual(again, fromServer)
  } else assert.ok(fromServer.error.length > 0)
  const fromClient = decodeClientMessage(text)
  if (fromClient.ok) {
    assert.deepEqual(decodeClientMessage(encodeClientMessage(fromClient.value)), fromClient)
  } else assert.ok(fromClient.error.length > 0)
})
