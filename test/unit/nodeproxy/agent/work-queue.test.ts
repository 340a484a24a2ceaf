import assert from 'node:assert/strict'
import test from 'node:test'
import { createWorkQueue } from '../../../../src/nodeproxy/agent/work-queue.ts'
import { manualTime } from '../manual-time.ts'

test('adds during a run lead to one more run, and a key never runs twice at once', async () => {
  let running = 0
  let runs = 0
  const gate = Promise.withResolvers<void>()
  const queue = createWorkQueue({
    async work() {
      running += 1
      runs += 1
      assert.equal(running, 1)
      await gate.promise
      running -= 1
      return { done: true }
    },
    onError: () => assert.fail('no error expected'),
  })
  for (let index = 0; index < 5; index += 1) queue.add('a')
  gate.resolve()
  await queue.idle()
  assert.equal(runs, 2)
})

test('errors are repeated with doubling back-off up to a bound; success starts anew', async () => {
  const time = manualTime()
  const told: number[] = []
  let fails = 4
  const queue = createWorkQueue({
    async work() {
      await Promise.resolve()
      if (fails > 0) throw new Error(`fails ${fails--}`)
      return { done: true }
    },
    onError: (_key, _error, retryInMs) => told.push(retryInMs),
    scheduler: time,
    firstRetryMs: 10,
    maxRetryMs: 40,
  })
  queue.add('a')
  for (let round = 0; round < 5; round += 1) {
    await queue.idle()
    time.pass()
  }
  await queue.idle()
  assert.deepEqual(told, [10, 20, 40, 40])
  assert.deepEqual(time.delays, [])
  fails = 1
  queue.add('a')
  await queue.idle()
  assert.equal(told.at(-1), 10)
})

test('a new event does not wait for the back-off', async () => {
  const time = manualTime()
  let runs = 0
  const queue = createWorkQueue({
    async work() {
      await Promise.resolve()
      runs += 1
      return { againAfterMs: 1_000_000 }
    },
    onError: () => assert.fail('no error expected'),
    scheduler: time,
  })
  queue.add('a')
  await queue.idle()
  queue.add('a')
  await queue.idle()
  assert.equal(runs, 2)
  assert.equal(time.delays.length, 1, 'the earlier repeat was cancelled')
  await queue.close()
  assert.deepEqual(time.delays, [])
})

test('keys run side by side up to the limit', async () => {
  let running = 0
  let most = 0
  const queue = createWorkQueue({
    async work() {
      running += 1
      most = Math.max(most, running)
      await new Promise((resolve) => setImmediate(resolve))
      running -= 1
      return { done: true }
    },
    onError: () => assert.fail('no error expected'),
    concurrency: 3,
  })
  for (let index = 0; index < 10; index += 1) queue.add(`k${index}`)
  await queue.idle()
  assert.equal(most, 3)
})
