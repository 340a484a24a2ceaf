import assert from 'node:assert/strict'
import test from 'node:test'
import type { Problem } from '../../../../src/operator/compile/problem.ts'
import { acceptedCondition } from '../../../../src/operator/status/conditions.ts'

const problem: Problem = {
  severity: 'error',
  kind: 'MeshConfig',
  namespace: '',
  name: 'mesh',
  field: 'spec.outside',
  message: 'is "perhaps", not one of ...',
  fix: 'give one of them',
  effect: 'its last good version stays in force',
}

test('a condition says what is wrong, where, the fix, and what holds meanwhile', () => {
  const { status, reason, message, observedGeneration } = acceptedCondition(
    [problem],
    3,
    undefined,
    't',
  )
  assert.deepEqual([status, reason, observedGeneration], ['False', 'Invalid', 3])
  assert.equal(
    message,
    'spec.outside is "perhaps", not one of ...: give one of them; ' +
      'its last good version stays in force',
  )
})

test('a warning is told, and does not make it refused', () => {
  const condition = acceptedCondition([{ ...problem, severity: 'warning' }], 1, undefined, 't')
  assert.equal(condition.status, 'True')
  assert.match(condition.message, /perhaps/)
})

test('the time is that of the last change of the status, and not of the words', () => {
  const first = acceptedCondition([problem], 1, undefined, 't1')
  const second = acceptedCondition([{ ...problem, message: 'is another' }], 2, first, 't2')
  assert.equal(second.lastTransitionTime, 't1')
  assert.equal(acceptedCondition([], 3, second, 't3').lastTransitionTime, 't3')
})
