import assert from 'node:assert/strict'
import test from 'node:test'
import type { KeptPod } from '../../../../src/nodeproxy/keeper/codec.ts'
import { openKeptListeners } from '../../../../src/nodeproxy/keeper/listener-store.ts'

/** A keeper in memory, and the descriptors that were closed. */
function world(kept: readonly KeptPod[] = []) {
  const pods = new Map(kept.map((pod) => [pod.uid, pod]))
  const closed: number[] = []
  const options = {
    native: { closeFd: (fd: number) => void closed.push(fd) },
    keeper: {
      list: async () => [...pods.values()],
      putListeners: async (pod: KeptPod) => void pods.set(pod.uid, pod),
      dropPod: async (uid: string) => pods.delete(uid),
    },
    alivePathOf: (uid: string) => `/cgroup/pod${uid}`,
  }
  return { pods, closed, options }
}

test('what one proxy keeps the next takes, once, by namespace', async () => {
  const first = world()
  const store = await openKeptListeners(first.options)
  assert.deepEqual(store.take(77n), {})
  await store.keep(77n, 'a', { outbound4: 10, inbound6: 11 })
  assert.equal(first.pods.get('a')?.alivePath, '/cgroup/poda')

  const second = await openKeptListeners(first.options)
  assert.deepEqual(second.take(77n), { outbound4: 10, inbound6: 11 })
  assert.deepEqual(second.take(77n), {})
  assert.equal(await second.dropUntaken(), 0)
  await second.drop(77n)
  assert.equal(first.pods.size, 0)
  assert.deepEqual(first.closed, [])
})

test('what nobody takes is closed here and dropped there', async () => {
  const { pods, closed, options } = world()
  const before = await openKeptListeners(options)
  await before.keep(1n, 'ended', { outbound4: 20, inbound4: 21 })
  await before.keep(2n, 'lives', { outbound4: 22 })
  const store = await openKeptListeners(options)
  store.take(2n)
  assert.equal(await store.dropUntaken(), 1)
  assert.deepEqual(closed, [20, 21])
  assert.deepEqual([...pods.keys()], ['lives'])
})

test('what another release kept and this one does not understand is dropped', async () => {
  const facts = ['', '{}', '{"netnsCookie":"x","listeners":[]}', 'null', '{"netnsCookie":"1"}']
  const strange = facts.map((text, index) => ({
    uid: String(index),
    alivePath: '',
    facts: text,
    fds: [index],
  }))
  const mismatched = { netnsCookie: '5', listeners: ['outbound4', 'inbound4'] }
  const { pods, closed, options } = world([
    ...strange,
    { uid: 'few', alivePath: '', facts: JSON.stringify(mismatched), fds: [90] },
    {
      uid: 'unknown',
      alivePath: '',
      facts: JSON.stringify({ netnsCookie: '6', listeners: ['outbound9'] }),
      fds: [91],
    },
  ])
  const store = await openKeptListeners(options)
  assert.equal(pods.size, 0)
  assert.deepEqual(closed, [0, 1, 2, 3, 4, 90, 91])
  assert.deepEqual(store.take(5n), {})
})

test('a namespace that two pods claim is the first one’s', async () => {
  const facts = JSON.stringify({ netnsCookie: '9', listeners: ['outbound4'] })
  const claim = (uid: string, fd: number): KeptPod => ({ uid, alivePath: '', facts, fds: [fd] })
  const { pods, closed, options } = world([claim('a', 30), claim('b', 31)])
  const store = await openKeptListeners(options)
  assert.deepEqual(store.take(9n), { outbound4: 30 })
  assert.deepEqual([...pods.keys()], ['a'])
  assert.deepEqual(closed, [31])
})

test('dropping what was never kept does nothing', async () => {
  const { options } = world()
  const store = await openKeptListeners(options)
  await store.drop(123n)
})
