// Several replicas each know a part; together they are to know all of it, in any order.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { mergeNodes, mergePods } from '../../../../src/cli/cluster/merge.ts'
import type { NodeRow, PodRow, StatusAnswer } from '../../../../src/model/status.ts'
import { podRow } from '../../../../src/operator/report/pod-rows.ts'
import { enrolment } from '../../model/builders.ts'
import { nodeFacts, podReport } from '../../operator/report/reports.ts'

function answer<T>(rows: readonly T[]): StatusAnswer<T> {
  return { replica: 'a', version: '1', notReady: '', leading: false, problems: [], rows }
}

const homes = fc.array(fc.tuple(fc.integer({ min: 0, max: 2 }), fc.boolean()), { maxLength: 12 })

test('whichever replica hears from a node, its pods have the answer that it gave', () => {
  fc.assert(
    fc.property(homes, fc.shuffledSubarray([0, 1, 2], { minLength: 3 }), (pods, order) => {
      const rowsOf = (replica: number): readonly PodRow[] =>
        pods.map(([home, enrolled], index) => {
          const pod = enrolment(`p${index}`, `n${home}`, { enrolled, reason: enrolled ? '' : 'x' })
          const report = podReport(pod.uid, { state: enrolled ? 'enrolled' : 'excluded' })
          const heard = { facts: nodeFacts(), pods: new Map([[pod.uid, report]]), heardMs: 0 }
          return podRow(pod, home === replica ? heard : undefined)
        })
      const merged = mergePods(order.map((replica) => answer(rowsOf(replica))))
      assert.equal(merged.length, pods.length)
      for (const [index, [, enrolled]] of pods.entries()) {
        const row = merged.find(({ name }) => name === `p${index}`)
        assert.equal(row?.state, enrolled ? 'inMesh' : 'outside')
        assert.equal(row.sinceSeconds, 1_000)
      }
    }),
  )
})

const base: NodeRow = {
  node: 'n0',
  pods: 1,
  wanted: 1,
  inMesh: 0,
  facts: undefined,
  heardSeconds: 0,
  streams: [],
}

test('a node is as the replica says that heard from it last, with the streams of all', () => {
  const stream = {
    subscriptions: 1,
    resources: 1,
    waiting: false,
    acked: 1,
    nacked: 0,
    lastError: '',
    version: 'v',
  }
  const old = { ...base, facts: nodeFacts({ version: 'old' }), heardSeconds: 60, streams: [stream] }
  const fresh = {
    ...base,
    facts: nodeFacts({ version: 'new' }),
    heardSeconds: 2,
    streams: [stream],
  }
  for (const rows of [
    [base, old, fresh],
    [fresh, base, old],
    [old, fresh, base],
  ]) {
    const [merged, ...others] = mergeNodes(rows.map((row) => answer([row])))
    assert.equal(merged?.facts?.version, 'new')
    assert.equal(merged.streams.length, 2)
    assert.deepEqual(others, [])
  }
})
