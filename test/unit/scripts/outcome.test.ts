import assert from 'node:assert/strict'
import test from 'node:test'
import type { TestEvent } from 'node:test/reporters'
import { add, emptyOutcome, succeeded, summary } from '../../../scripts/testing/outcome.ts'

const place = { line: 1, column: 1, file: '/p/a.test.ts', nesting: 0, testNumber: 1 }

function pass(name: string, skip?: string | true): TestEvent {
  const data = { ...place, name, details: { duration_ms: 1 }, ...(skip ? { skip } : {}) }
  return { type: 'test:pass', data } as unknown as TestEvent
}

function end(failed: number, passed: number): TestEvent {
  const rest = { cancelled: 0, skipped: 0, suites: 0, todo: 0, topLevel: 0 }
  const counts = { tests: failed + passed, failed, passed, ...rest }
  return { type: 'test:summary', data: { counts, success: failed === 0 } } as unknown as TestEvent
}

function outcomeOf(events: readonly TestEvent[], strict: boolean): ReturnType<typeof emptyOutcome> {
  const outcome = emptyOutcome()
  for (const event of events) add(outcome, event, strict)
  return outcome
}

test('counts of several suites add up, and one failure anywhere fails the run', () => {
  const outcome = outcomeOf([end(0, 3), end(1, 1), end(0, 2)], false)
  assert.equal(outcome.counts.tests, 7)
  assert.equal(outcome.counts.failed, 1)
  assert.equal(succeeded(outcome), false)
  assert.equal(succeeded(outcomeOf([end(0, 3), end(0, 2)], false)), true)
})

test('a file without tests fails the run, although node:test calls it passed', () => {
  assert.equal(succeeded(outcomeOf([pass('/p/a.test.ts'), end(0, 1)], false)), false)
})

test('a file without tests of the name that was asked for is no fault', () => {
  const outcome = emptyOutcome()
  assert.equal(add(outcome, pass('/p/a.test.ts'), false, true), false, 'it is not shown')
  add(outcome, end(0, 1), false, true)
  assert.equal(succeeded(outcome), true)
  assert.equal(outcome.counts.passed, 0, 'and does not count as a test')
})

test('a skip is printed with its reason, and fails in CI when the machine lacks something', () => {
  const events = [pass('reads', 'needs go'), end(0, 1)]
  const outcome = outcomeOf(events, false)
  assert.deepEqual(outcome.skips, ['/p/a.test.ts: reads: needs go'])
  assert.equal(succeeded(outcome), true)
  assert.equal(succeeded(outcomeOf(events, true)), false)
  const lines = [...summary(outcome, 5)].map((event) => JSON.stringify(event.data)).join('\n')
  assert.match(lines, /skipped: .*reads: needs go/)
})

test('a skip for what the kernel lacks is accepted in CI too', () => {
  assert.equal(succeeded(outcomeOf([pass('tls', 'kernel: no kTLS'), end(0, 1)], true)), true)
})

test('a skip without a reason fails the run everywhere', () => {
  assert.equal(succeeded(outcomeOf([pass('reads', true), end(0, 1)], false)), false)
})

test('the summary of one suite is not shown, that of a file and results are', () => {
  const outcome = emptyOutcome()
  assert.equal(add(outcome, end(0, 1), false), false)
  assert.equal(add(outcome, pass('reads'), false), true)
})
