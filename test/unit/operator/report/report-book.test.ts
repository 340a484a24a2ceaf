// What a replica remembers of what nodes say, whatever they say.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { NodeState, PodReport } from '../../../../src/model/report.ts'
import { reportsBetween } from '../../../../src/model/report-diff.ts'
import { decodeReport, encodeReport } from '../../../../src/model/wire/report-message.ts'
import { createReportBook } from '../../../../src/operator/report/report-book.ts'
import { nodeFacts, podReport } from './reports.ts'

const uids = Array.from({ length: 8 }, (_, index) => `uid${index}`)

const arbitraryPod = fc.record<PodReport>(
  {
    uid: fc.constantFrom(...uids),
    state: fc.constantFrom('starting', 'unknown', 'excluded', 'enrolled', 'failed'),
    sinceSeconds: fc.nat(),
    reason: fc.string(),
    notAccelerated: fc.string(),
    connectionsBefore: fc.nat(),
    connectionsBeforeOpen: fc.nat(),
  },
  { noNullPrototype: true },
)

const arbitraryState: fc.Arbitrary<NodeState> = fc
  .tuple(fc.array(arbitraryPod), fc.integer({ min: 0, max: 3 }))
  .map(([pods, unnamedPods]) => ({
    facts: nodeFacts({ unnamedPods }),
    pods: new Map(pods.map((pod) => [pod.uid, pod])),
  }))

function openBook(nodeOf: (uid: string) => string | undefined, podsPerNode = 100) {
  return createReportBook({ nodeOf, limits: { podsPerNode }, nowMs: () => 0 })
}

test('after any changes the book holds what the node has last said, over the wire', () => {
  fc.assert(
    fc.property(fc.array(arbitraryState, { minLength: 1 }), (states) => {
      const book = openBook(() => 'n0')
      const intake = book.open('n0', () => {})
      let before: NodeState | undefined
      for (const state of states) {
        for (const report of reportsBetween(before, state)) {
          const read = decodeReport(encodeReport(report))
          assert.ok(read.ok, read.ok ? '' : read.error)
          assert.deepEqual(intake.take(read.value), [])
        }
        before = state
        const held = book.node('n0')
        assert.deepEqual(new Map(held?.pods), state.pods)
        assert.deepEqual(held?.facts, state.facts)
      }
    }),
  )
})

test('what did not change is not said again', () => {
  const pods = new Map(uids.map((uid) => [uid, podReport(uid)]))
  const before = { facts: nodeFacts(), pods }
  assert.deepEqual(reportsBetween(before, { facts: nodeFacts(), pods: new Map(pods) }), [])
  const changed = podReport('uid3', { connectionsBeforeOpen: 1 })
  const now = { facts: nodeFacts(), pods: new Map([...pods, ['uid3', changed]]) }
  assert.deepEqual(reportsBetween(before, now), [
    { initial: false, facts: undefined, pods: [changed], gone: [] },
  ])
})

test('a thousand pods are several reports of limited size, the first alone initial', () => {
  const pods = new Map(
    Array.from({ length: 1_000 }, (_, index) => [`u${index}`, podReport(`u${index}`)]),
  )
  const reports = reportsBetween(undefined, { facts: nodeFacts(), pods })
  assert.deepEqual(
    reports.map((report) => [report.initial, report.pods.length, report.facts !== undefined]),
    [
      [true, 200, true],
      [false, 200, false],
      [false, 200, false],
      [false, 200, false],
      [false, 200, false],
    ],
  )
})

test("another node's pods and unknown ones are dropped, told and counted", () => {
  const homes: Record<string, string> = { mine: 'n0', yours: 'n1' }
  const book = openBook((uid) => homes[uid])
  const intake = book.open('n0', () => {})
  const pods = ['mine', 'yours', 'nobodys'].map((uid) => podReport(uid))
  const dropped = intake.take({ initial: true, facts: undefined, pods, gone: [] })
  assert.deepEqual(dropped, ['yours', 'nobodys'])
  assert.deepEqual([...(book.node('n0')?.pods.keys() ?? [])], ['mine'])
  assert.deepEqual({ ...book.counts }, { taken: 1, foreign: 2, overLimit: 0 })
})

test('a node that never says that pods are gone does not grow, and honest pods find room', () => {
  const bound = new Set<string>()
  const book = openBook((uid) => (bound.has(uid) ? 'n0' : undefined), 10)
  const intake = book.open('n0', () => {})
  const say = (uid: string) =>
    intake.take({ initial: false, facts: undefined, pods: [podReport(uid)], gone: [] })
  for (let index = 0; index < 1_000; index += 1) {
    bound.add(`uid${index}`)
    assert.deepEqual(say(`uid${index}`), [])
    bound.delete(`uid${index}`)
    assert.ok((book.node('n0')?.pods.size ?? 0) <= 10)
  }
  for (let index = 0; index < 10; index += 1) bound.add(`live${index}`)
  for (const uid of bound) assert.deepEqual(say(uid), [])
  bound.add('one more')
  assert.deepEqual(say('one more'), ['one more'])
  assert.equal(book.counts.overLimit, 1)
})

test('of two streams of one node the later counts, and the earlier takes nothing with it', () => {
  const book = openBook(() => 'n0')
  let replaced = 0
  const first = book.open('n0', () => void (replaced += 1))
  first.take({ initial: true, facts: nodeFacts(), pods: [podReport('a')], gone: [] })
  const second = book.open('n0', () => {})
  assert.equal(replaced, 1)
  second.take({ initial: true, facts: nodeFacts(), pods: [podReport('b')], gone: [] })
  first.take({ initial: false, facts: undefined, pods: [podReport('c')], gone: ['b'] })
  first.close()
  assert.deepEqual([...(book.node('n0')?.pods.keys() ?? [])], ['b'])
  second.close()
  assert.equal(book.node('n0'), undefined)
  assert.equal(book.nodes, 0)
})

test('texts that are too long are cut, and nonsense is refused with a reason', () => {
  const pods = [podReport('a', { reason: 'x'.repeat(5_000) })]
  const read = decodeReport(encodeReport({ initial: true, facts: undefined, pods, gone: [] }))
  assert.equal(read.ok && read.value.pods[0]?.reason.length, 400)
  const nonsense = decodeReport(new Uint8Array([255, 255, 255]))
  assert.match(nonsense.ok ? '' : nonsense.error, /^no NodeReport/)
  const wrong = { ...podReport('a'), state: 'fine' } as unknown as PodReport
  const bad = decodeReport(
    encodeReport({ initial: true, facts: undefined, pods: [wrong], gone: [] }),
  )
  assert.match(bad.ok ? '' : bad.error, /pods\[0\]\.state is "fine"/)
})
