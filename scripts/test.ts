// The tests: `npm test` runs all suites, long ones in their short form (and says which),
// `npm test -- lab` all of one, and `npm test -- PATH` one file.
//   --name PATTERN   only tests whose name matches
//   --coverage       writes build/coverage, and prints a table
// Ends with node:test's summary of all suites. Exit status 1: a test failed, none ran, or (CI=true)
// something that the machine lacks kept one from running.
import { resolve } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { run } from 'node:test'
import { spec, type TestEvent } from 'node:test/reporters'
import { parseArgs } from 'node:util'
import { add, emptyOutcome, note, type Outcome, succeeded, summary } from './testing/outcome.ts'
import { filesOf, shortFilesOf, type Suite, suites } from './testing/suites.ts'
import { root, runTool } from './tools.ts'

const strict = process.env.CI === 'true'
const soak = 'soak'
/** In CI the time of the whole is bounded, and a summary must come of it. */
const strictPrepareMs = 20 * 60_000

interface Job {
  readonly suite: Suite
  readonly files: readonly string[]
}

/** @throws with the list of names, when an argument is neither a suite nor a test file of one */
function jobsOf(args: readonly string[]): readonly Job[] {
  if (args.length === 0) return suites.map((suite) => ({ suite, files: shortFilesOf(suite) }))
  return args.flatMap((arg): readonly Job[] => {
    if (arg === soak) return jobsOf(['native', 'kernel', 'lab'])
    const named = suites.find((suite) => suite.name === arg)
    if (named !== undefined) return [{ suite: named, files: filesOf(named) }]
    const file = resolve(arg)
    const suite = suites.find((one) => filesOf(one).includes(file))
    if (suite !== undefined) return [{ suite, files: [file] }]
    const names = [...suites.map(({ name }) => name), soak].join(', ')
    throw new Error(`'${arg}' is neither a suite (${names}) nor a test file`)
  })
}

/** Runs one suite after the other, as one stream of events with one summary. */
async function* events(
  jobs: readonly Job[],
  pattern: string | undefined,
  signal: AbortSignal,
  outcome: Outcome,
): AsyncGenerator<TestEvent, void> {
  const start = performance.now()
  for (const { suite, files } of jobs) {
    if (signal.aborted) break
    const lacks = suite.missing()
    if (lacks.length > 0) {
      outcome.skips.push(`suite ${suite.name}: needs ${lacks.join('; ')}`)
      if (strict) outcome.problems.push(`suite ${suite.name} did not run, which CI does not accept`)
      continue
    }
    const problem = await prepared(suite, signal)
    if (problem !== undefined) {
      outcome.problems.push(`suite ${suite.name} did not run: ${problem}`)
      continue
    }
    const before = outcome.counts.passed + outcome.counts.failed
    yield note(`suite ${suite.name}: ${extent(suite, files)}`)
    for await (const event of runSuite(suite, files, pattern, signal)) {
      if (add(outcome, event, strict, pattern !== undefined)) yield event
    }
    if (outcome.counts.passed + outcome.counts.failed === before) {
      outcome.problems.push(`suite ${suite.name} ran no test`)
    }
  }
  if (outcome.counts.passed + outcome.counts.failed === 0) outcome.problems.push('no test ran')
  if (signal.aborted) outcome.problems.push('interrupted')
  yield* summary(outcome, performance.now() - start)
}

function extent({ name, short }: Suite, files: readonly string[]): string {
  const all = `${files.length} files`
  return short?.length === files.length ? `${all}, its short form; all: npm test -- ${name}` : all
}

/** @returns what went wrong */
async function prepared(
  { name, prepare }: Suite,
  interrupted: AbortSignal,
): Promise<string | undefined> {
  const tooLong = strict ? [AbortSignal.timeout(strictPrepareMs)] : []
  const signal = AbortSignal.any([interrupted, ...tooLong])
  try {
    await prepare?.((message) => process.stderr.write(`${name}: ${message}\n`), signal)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function* runSuite(
  suite: Suite,
  files: readonly string[],
  pattern: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<TestEvent, void> {
  if (files.length === 0) return
  const longer = process.env.SLUICE_SOAK === '1' ? 30 : 1
  const stream = run({
    files,
    concurrency: suite.concurrency,
    timeout: suite.fileTimeoutMs * longer,
    cwd: root,
    signal,
    ...(pattern === undefined ? {} : { testNamePatterns: pattern }),
  })
  // A TestsStream is a readable stream of these; its type says so for listeners only.
  for await (const event of stream as AsyncIterable<TestEvent>) yield event
}

function coverageTable(folder: string): void {
  runTool('c8', ['report', '--temp-directory', folder, '--include', 'src/**', '--reporter', 'text'])
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { name: { type: 'string' }, coverage: { type: 'boolean', default: false } },
  })
  const jobs = jobsOf(positionals)
  if (positionals.includes(soak)) process.env.SLUICE_SOAK = '1'
  const coverage = resolve(root, 'build/coverage')
  if (values.coverage) process.env.NODE_V8_COVERAGE = coverage
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => stop.abort())
  }
  const outcome = emptyOutcome()
  const report = new spec()
  const output = new PassThrough()
  output.pipe(process.stdout, { end: false })
  await pipeline(Readable.from(events(jobs, values.name, stop.signal, outcome)), report, output)
  if (values.coverage) coverageTable(coverage)
  process.exitCode = succeeded(outcome) ? 0 : 1
}

try {
  await main()
} catch (error) {
  process.stderr.write(`test: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
