// The answer for every pod: in the mesh since when, and if not, why.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { PodReport } from '../../../../src/model/report.ts'
import { podRow } from '../../../../src/operator/report/pod-rows.ts'
import type { ReportedNode } from '../../../../src/operator/report/report-book.ts'
import { enrolment } from '../../model/builders.ts'
import { nodeFacts, podReport } from './reports.ts'

function heard(...pods: readonly PodReport[]): ReportedNode {
  return { facts: nodeFacts(), pods: new Map(pods.map((pod) => [pod.uid, pod])), heardMs: 0 }
}

const web = enrolment('web')
const optedOut = enrolment('web', 'n1', { enrolled: false, reason: 'opted out' })
const undecided = enrolment('web', 'n1', {
  enrolled: false,
  reason: 'wrong value',
  undecided: ['enrolled'],
})
const say = (more: Partial<PodReport>) => heard(podReport('uid-web', more))

test('one that is in the mesh says since when, and what of it is not', () => {
  const row = podRow(web, say({ sinceSeconds: 42, connectionsBeforeOpen: 3, notAccelerated: 'x' }))
  assert.equal(row.state, 'inMesh')
  assert.equal(row.sinceSeconds, 42)
  assert.equal(row.why, '')
  assert.equal(row.olderConnections, 3)
  assert.equal(row.notAccelerated, 'x')
})

const rows: readonly (readonly [string, typeof web, ReportedNode | undefined, string, RegExp])[] = [
  ['opted out', optedOut, heard(), 'outside', /^opted out$/],
  ['opted out, node away', optedOut, undefined, 'outside', /^opted out$/],
  ['to leave, and not out yet', optedOut, say({}), 'behind', /is to leave it: opted out/],
  ['undecided, and in the mesh', undecided, say({}), 'inMesh', /^$/],
  ['undecided, and outside', undecided, say({ state: 'excluded' }), 'outside', /^wrong value$/],
  ['undecided, and node away', undecided, undefined, 'unheard', /no agent of node n1/],
  ['node away', web, undefined, 'unheard', /no agent of node n1 is connected/],
  ['not found yet', web, heard(), 'behind', /n1 is behind: it has not found the pod/],
  ['failed', web, say({ state: 'failed', reason: 'EPERM' }), 'failed', /^EPERM$/],
  ['starting', web, say({ state: 'starting', reason: 'no process' }), 'starting', /^no process$/],
  [
    'shares the node',
    web,
    say({ state: 'excluded', reason: 'hostNetwork: it shares …' }),
    'outside',
    /^hostNetwork: it shares/,
  ],
  [
    'what was wished before',
    web,
    say({ state: 'excluded', reason: 'not annotated' }),
    'behind',
    /behind: not annotated/,
  ],
  ['not named yet', web, say({ state: 'unknown', reason: 'not named' }), 'behind', /not named/],
]

for (const [what, pod, node, state, why] of rows) {
  test(`${what}: ${state}`, () => {
    const row = podRow(pod, node)
    assert.equal(row.state, state)
    assert.match(row.why, why)
    assert.equal(row.olderConnections, 0)
  })
}

test('a node whose facts have not come yet is not heard', () => {
  const half = { facts: undefined, pods: new Map(), heardMs: 0 }
  assert.equal(podRow(web, half).state, 'unheard')
})
