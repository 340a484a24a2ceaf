import assert from 'node:assert/strict'
import test from 'node:test'
import type { PodEnrolment } from '../../../../src/model/resources.ts'
import { withdrawable } from '../../../../src/nodeproxy/agent/withdraw.ts'

function pod(uid: string, enrolled: boolean, reason: string): PodEnrolment {
  return {
    type: 'enrolment',
    uid,
    node: 'node1',
    namespace: 'shop',
    name: uid,
    enrolled,
    reason,
    acceleration: 'auto',
    failureMode: 'closed',
    oldConnections: 'keep',
    addresses: [],
    workload: '',
  }
}

test('no pod is in the mesh once that is withdrawn, also one that comes later', () => {
  const pods = new Map([['a', pod('a', true, '')]])
  const enrolments = withdrawable({ get: (uid) => pods.get(uid), complete: true })
  assert.equal(enrolments.get('a'), pods.get('a'))
  enrolments.withdraw()
  pods.set('b', pod('b', true, ''))
  for (const uid of ['a', 'b']) {
    assert.equal(enrolments.get(uid)?.enrolled, false)
    assert.match(enrolments.get(uid)?.reason ?? '', /being removed from this node/)
  }
})

test('a pod that was not in the mesh keeps its reason, one that nobody named stays unknown', () => {
  const out = pod('a', false, 'its namespace is not enrolled')
  const enrolments = withdrawable({
    get: (uid) => (uid === 'a' ? out : undefined),
    complete: false,
  })
  enrolments.withdraw()
  assert.equal(enrolments.get('a'), out)
  assert.equal(enrolments.get('b'), undefined)
  assert.equal(enrolments.complete, false)
})
