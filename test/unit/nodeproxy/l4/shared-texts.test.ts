import assert from 'node:assert/strict'
import test from 'node:test'
import { createSharedTexts } from '../../../../src/nodeproxy/l4/shared-texts.ts'
import { pod } from '../../model/builders.ts'

test('a workload stays what it is, whatever it shares with others', () => {
  const texts = createSharedTexts()
  const pods = ['a', 'b', 'c'].map((name) => pod(name, { services: ['shop/web.shop.svc'] }))
  assert.deepEqual(
    pods.map((each) => texts.of(structuredClone(each))),
    pods,
  )
})
