import assert from 'node:assert/strict'
import test from 'node:test'
import type { Pod } from '../../../../src/cli/cluster/objects.ts'
import { judgePod, readVerdict } from '../../../../src/cli/preflight/judge-pod.ts'
import { verdictWith } from '../verdicts.ts'

function judge(status: NonNullable<Pod['status']> | undefined, waitedMs = 0): unknown {
  return judgePod('n1', status === undefined ? undefined : { status }, waitedMs, 60_000)
}

const errorOf = (judgement: unknown) => (judgement as { readonly error: string }).error
const hintOf = (judgement: unknown) => (judgement as { readonly hint: string }).hint

test('a pod that begins or runs is waited for, one that has ended has its answer', () => {
  const running = { phase: 'Running', containerStatuses: [{ state: {} }] }
  const creating = { waiting: { reason: 'ContainerCreating' } }
  const pulling = { waiting: { reason: 'ErrImagePull' } }
  assert.equal(judge({}), 'waits')
  assert.equal(judge(running), 'waits')
  for (const state of [creating, pulling]) {
    assert.equal(judge({ phase: 'Pending', containerStatuses: [{ state }] }), 'waits')
  }
  const ended = [{ state: { terminated: {} } }]
  assert.equal(judge({ phase: 'Failed', containerStatuses: ended }), 'ended')
  assert.equal(judge({ phase: 'Succeeded', containerStatuses: ended }, 90_000), 'ended')
})

test('what will not start is not waited for, and says why', () => {
  const waiting = { reason: 'ErrImageNeverPull', message: 'no such image' }
  const pull = judge({ phase: 'Pending', containerStatuses: [{ state: { waiting } }] })
  assert.match(errorOf(pull), /ErrImageNeverPull: no such image/)
  assert.match(hintOf(pull), /--image/)
  const refused = judge({ phase: 'Failed', reason: 'OutOfpods', message: 'too many' })
  assert.match(errorOf(refused), /refuses the pod: OutOfpods too many/)
  assert.match(errorOf(judge(undefined)), /deleted/)
})

test('after its time a node has not answered, with what was seen last', () => {
  assert.match(errorOf(judge({ phase: 'Pending' }, 60_000)), /60 s: its kubelet has not taken/)
  const state = { waiting: { reason: 'ContainerCreating' } }
  const slow = judge({ phase: 'Pending', containerStatuses: [{ state }] }, 60_000)
  assert.match(errorOf(slow), /the pod waits: ContainerCreating/)
})

test('a log is a verdict, or is shown', () => {
  const verdict = verdictWith({})
  const read = readVerdict('n1', JSON.stringify(verdict))
  assert.deepEqual(read, { node: 'n1', answered: true, verdict })
  assert.match(errorOf(readVerdict('n1', 'exec format error\n')), /exec format error/)
  assert.match(errorOf(readVerdict('n1', '{"version":2}')), /no verdict/)
  assert.match(errorOf(readVerdict('n1', '')), /nothing/)
})
