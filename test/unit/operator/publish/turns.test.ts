import assert from 'node:assert/strict'
import test from 'node:test'
import { defaultMesh } from '../../../../src/operator/compile/compile.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { addressSubscription } from '../../../../src/model/names.ts'
import { service } from '../../model/builders.ts'

const popular = service('popular', { addresses: ['10.96.0.1'] })
const quiet = service('quiet', { addresses: ['10.96.0.2'] })

function connectMany(count: number) {
  const publisher = createPublisher('test')
  publisher.replace([defaultMesh, popular, quiet])
  const told: string[] = []
  const connect = (node: string, ip: string) => {
    const session = publisher.connect(node, [addressSubscription('default', ip)], (delta) => {
      if (delta.initial !== true) told.push(node)
      queueMicrotask(() => session.ack(delta.nonce))
    })
    return session
  }
  const sessions = Array.from({ length: count }, (_, n) => connect(`n${n}`, '10.96.0.1'))
  connect('other', '10.96.0.2')
  return { publisher, told, sessions }
}

async function nextTurn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  setImmediate(resolve)
  await promise
}

test('a change for many leaves room for one for a few, and all are told once', async () => {
  const { publisher, told } = connectMany(500)
  await nextTurn()
  publisher.apply({ upserts: [{ ...popular, publishNotReadyAddresses: true }], removals: [] })
  await nextTurn()
  const before = told.length
  assert.ok(before < 500, 'not all of them in one turn')
  publisher.apply({ upserts: [{ ...quiet, publishNotReadyAddresses: true }], removals: [] })
  assert.equal(told.at(-1), 'other')
  while (told.length < 501) await nextTurn()
  assert.equal(new Set(told).size, 501)
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
  assert.equal(told.length, 501)
})

test('who leaves before his turn is not told', async () => {
  const { publisher, told, sessions } = connectMany(100)
  await nextTurn()
  publisher.apply({ upserts: [{ ...popular, publishNotReadyAddresses: true }], removals: [] })
  for (const session of sessions) session.close()
  publisher.apply({ upserts: [{ ...quiet, publishNotReadyAddresses: true }], removals: [] })
  for (let turn = 0; turn < 20; turn += 1) await nextTurn()
  assert.deepEqual(told, ['other'])
})
