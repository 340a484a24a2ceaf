import type { TestEvent } from 'node:test/reporters'

/** What one run of node:test ends with. */
interface Counts {
  tests: number
  suites: number
  passed: number
  failed: number
  cancelled: number
  skipped: number
  todo: number
}

/** What all suites together came to. State of one run of the tests; only add() changes it. */
export interface Outcome {
  readonly counts: Counts
  /** `file: test: reason`, one for each test that was skipped. */
  readonly skips: string[]
  /** What makes the run fail although no test did. */
  readonly problems: string[]
}

/**
 * A skip whose reason begins with this says that the running kernel lacks a feature, which is no
 * fault of the machine's set-up; guests with other kernels have it. Any other skip fails in CI.
 */
export const kernelSkip = 'kernel: '

export function emptyOutcome(): Outcome {
  const counts = { tests: 0, suites: 0, passed: 0, failed: 0, cancelled: 0, skipped: 0, todo: 0 }
  return { counts, skips: [], problems: [] }
}

/**
 * Takes one event of node:test into the outcome.
 * @param some only tests of a name were asked for: a file may have none
 * @returns whether the event is still to be shown: the summary of one suite is not, because one
 * summary of all comes at the end
 */
export function add(outcome: Outcome, event: TestEvent, strict: boolean, some = false): boolean {
  switch (event.type) {
    case 'test:summary':
      // Its type forgets the count of failed tests; the event has it.
      if (event.data.file === undefined)
        addCounts(outcome.counts, event.data.counts as Counts & typeof event.data.counts)
      return event.data.file !== undefined
    case 'test:plan':
      return event.data.file !== undefined
    case 'test:diagnostic':
      return event.data.file !== undefined
    case 'test:pass':
      if (event.data.name === event.data.file) {
        addEmptyFile(outcome, event.data.name, some)
        return !some
      }
      addPass(outcome, event.data, strict)
      return true
    default:
      return true
  }
}

/** The lines that node:test itself ends with, for all suites together. */
export function* summary(
  { counts, skips, problems }: Outcome,
  tookMs: number,
): Generator<TestEvent> {
  for (const skip of skips) yield note(`skipped: ${skip}`)
  for (const problem of problems) yield note(`problem: ${problem}`)
  yield note(`tests ${counts.tests}`)
  yield note(`suites ${counts.suites}`)
  yield note(`pass ${counts.passed}`)
  yield note(`fail ${counts.failed}`)
  yield note(`cancelled ${counts.cancelled}`)
  yield note(`skipped ${counts.skipped}`)
  yield note(`todo ${counts.todo}`)
  yield note(`duration_ms ${tookMs}`)
}

export function note(message: string): TestEvent {
  return { type: 'test:diagnostic', data: { nesting: 0, message, level: 'info' } }
}

export function succeeded({ counts, problems }: Outcome): boolean {
  return counts.failed === 0 && counts.cancelled === 0 && problems.length === 0
}

type Pass = Extract<TestEvent, { type: 'test:pass' }>['data']

/** node:test reports a file that declares no test as a passed test of the file's name. */
function addEmptyFile(outcome: Outcome, name: string, some: boolean): void {
  if (!some) outcome.problems.push(`${name} has no test`)
  outcome.counts.tests -= 1
  outcome.counts.passed -= 1
}

function addPass(outcome: Outcome, pass: Pass, strict: boolean): void {
  const { file, name, skip, todo } = pass
  if (skip === undefined && todo === undefined) return
  const reason = typeof skip === 'string' ? skip : typeof todo === 'string' ? todo : ''
  outcome.skips.push(`${file ?? ''}: ${name}: ${reason || 'no reason given'}`)
  if (reason === '') outcome.problems.push(`${name} is skipped without a reason`)
  else if (strict && !reason.startsWith(kernelSkip)) {
    outcome.problems.push(`${name} did not run, which CI does not accept: ${reason}`)
  }
}

function addCounts(sum: Counts, counts: Counts): void {
  sum.tests += counts.tests
  sum.suites += counts.suites
  sum.passed += counts.passed
  sum.failed += counts.failed
  sum.cancelled += counts.cancelled
  sum.skipped += counts.skipped
  sum.todo += counts.todo
}
