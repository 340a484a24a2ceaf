import assert from 'node:assert/strict'
import test from 'node:test'
import type { PodView } from '../../../../src/nodeproxy/l4/pod.ts'
import { createServedPods } from '../../../../src/nodeproxy/l4/served-pods.ts'

const EMFILE = 24
const EEXIST = 17
const EINVAL = 22

/** What is ordered, and timers that run when the test says so. */
function createBench() {
  const orders: string[] = []
  let timers: (() => void)[] = []
  const pods = createServedPods(
    {
      listen: ({ listener, fd }) => orders.push(`listen ${listener} by ${fd}`),
      unlisten: (listener) => orders.push(`unlisten ${listener}`),
      netnsAdd: (netns, fd) => orders.push(`netns ${netns} by ${fd}`),
      netnsRemove: (netns) => orders.push(`no netns ${netns}`),
    },
    { connections: 10, bufferedBytes: 1000 },
    {
      after(_ms, run) {
        timers.push(run)
        return () => {
          timers = timers.filter((timer) => timer !== run)
        }
      },
    },
  )
  return {
    pods,
    newOrders: () => orders.splice(0),
    timePasses: () => {
      const due = timers
      timers = []
      for (const run of due) run()
      return due.length
    },
  }
}

const pod = { podId: 3, uid: 'one', ipv4: '10.0.0.3' } as unknown as PodView
const listeners = { outbound4: 7, inbound4: 8 }

test('what the reactor had no descriptor for is ordered again until it has it', () => {
  const { pods, newOrders, timePasses } = createBench()
  pods.serve(pod, 5, listeners)
  assert.deepEqual(newOrders(), ['netns 3 by 5', 'listen 12 by 7', 'listen 13 by 8'])
  for (let round = 0; round < 2; round += 1) {
    assert.equal(pods.listenerFailed(12, EMFILE), true)
    assert.equal(pods.listenerFailed(12, EMFILE), true)
    assert.equal(pods.netnsFailed(3, EMFILE), true)
    assert.deepEqual(newOrders(), [])
    assert.equal(timePasses(), 2)
    assert.deepEqual(newOrders(), ['listen 12 by 7', 'netns 3 by 5'])
  }
  // It had it: a socket or a connection was what could not be had.
  assert.equal(pods.listenerFailed(12, EEXIST), false)
  assert.equal(pods.netnsFailed(3, EEXIST), false)
  assert.equal(timePasses(), 0)
})

test('not what is not wanted any more, nor what was wrong with it', () => {
  const { pods, newOrders, timePasses } = createBench()
  pods.serve(pod, 5, listeners)
  pods.listenerFailed(12, EINVAL)
  assert.equal(timePasses(), 0)
  pods.listenerFailed(12, EMFILE)
  pods.netnsFailed(3, EMFILE)
  pods.stopAccepting(3)
  pods.forget(3)
  newOrders()
  timePasses()
  assert.deepEqual(newOrders(), [])
})
