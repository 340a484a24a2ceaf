import assert from 'node:assert/strict'
import test from 'node:test'
import { createSharedTexts } from '../../../../src/nodeproxy/l4/shared-texts.ts'
import { pod } from '../../model/builders.ts'

test('a workload stays what it is, with what it shares with others kept once', () => {
  const texts = createSharedTexts()
  const locality = (zone: string) => ({ region: 'north', zone, subzone: '' })
  const [a, b, c] = ['a', 'b', 'c'].map((name, index) => ({
    ...pod(name, { addresses: [`10.0.0.${index}`], services: ['shop/web.shop.svc'] }),
    locality: locality(index === 2 ? 'far' : 'near'),
  }))
  assert.ok(a !== undefined && b !== undefined && c !== undefined)
  const kept = [a, b, c].map((each) => texts.of(structuredClone(each)))
  assert.deepEqual(kept, [a, b, c])
  assert.equal(kept[0]?.locality, kept[1]?.locality)
  assert.notEqual(kept[0]?.locality, kept[2]?.locality)
})
