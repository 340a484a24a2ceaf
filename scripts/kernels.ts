// The tests on other kernels: downloads Debian's, boots each under QEMU, runs preflight and
// test/kernel inside.
//   npm run test:kernels                     every series of docs/kernels.md
//   npm run test:kernels -- --ci             the short form: chosen tests, 6.1 and 6.12 at once
//   npm run test:kernels -- --kernel 6.1     one or more, also others of backports (6.18)
//   --tests GLOB      only these test files, e.g. 'test/kernel/connect*.test.ts'; several in turn
//   --accel tcg|kvm   else: kvm where it works
//   --timeout MIN     for one kernel (default 30)
//   -o json           one JSON object at the end
// Exit status 1: a kernel did not do what its series is to do.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { writeBase, writeInitramfs } from './kernels/initramfs.ts'
import { type Judgement, judge } from './kernels/judge.ts'
import { fetchKernel, type Kernel } from './kernels/packages.ts'
import { type Accelerator, kvmIsOffered } from './kernels/qemu.ts'
import { findSeries, type KernelSeries, kernelSeries } from './kernels/series.ts'
import { runSession, type Session } from './kernels/session.ts'
import { SHORT_FORM_LIMIT_MS, shortForm } from './kernels/short-form.ts'

const root = join(import.meta.dirname, '..')
/** KVM that works takes some seconds to boot and to run preflight. */
const KVM_TRIAL_MS = 40_000

interface Row extends Judgement {
  readonly series: string
  readonly release: string
  readonly accelerator: Accelerator | 'none'
  readonly tookMs: number
}

interface Options {
  readonly series: readonly KernelSeries[]
  readonly accelerator: Accelerator | 'auto'
  readonly timeoutMs: number
  /** The chosen tests alone, in all guests at once, within a limit for all. */
  readonly short: boolean
  readonly tests: readonly string[]
  readonly json: boolean
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      ci: { type: 'boolean', default: false },
      kernel: { type: 'string', multiple: true, default: [] },
      tests: { type: 'string', multiple: true, default: [] },
      accel: { type: 'string', default: 'auto' },
      timeout: { type: 'string', default: '30' },
      output: { type: 'string', short: 'o', default: 'table' },
    },
  })
  const { accel } = values
  if (accel !== 'auto' && accel !== 'tcg' && accel !== 'kvm') {
    throw new Error(`--accel ${accel}: it is tcg, kvm or auto`)
  }
  const minutes = Number(values.timeout)
  if (!(minutes > 0)) throw new Error(`--timeout ${values.timeout}: it is a number of minutes`)
  if (values.ci && values.tests.length > 0) throw new Error('--tests and --ci exclude each other')
  const named = values.kernel.map(findSeries)
  const series = named.length > 0 ? named : kernelSeries.filter(({ ci }) => ci || !values.ci)
  return {
    series,
    accelerator: accel,
    timeoutMs: minutes * 60_000,
    short: values.ci,
    tests: values.tests,
    json: values.output === 'json',
  }
}

/**
 * KVM that is there may still hang or crash with these kernels, also after the first words of their
 * user space. Those that do not come as far as preflight's verdict are emulated.
 */
async function runWithBestAccelerator(
  kernel: Kernel,
  options: Options,
  session: Omit<Parameters<typeof runSession>[1], 'accelerator'>,
): Promise<{ session: Session; accelerator: Accelerator }> {
  const wanted =
    options.accelerator === 'auto' ? (kvmIsOffered() ? 'kvm' : 'tcg') : options.accelerator
  const tentative = options.accelerator === 'auto' && wanted === 'kvm'
  const first = await runSession(kernel, {
    ...session,
    accelerator: wanted,
    ...(tentative ? { trialMs: KVM_TRIAL_MS } : {}),
  })
  if (first.preflight !== undefined || !tentative || session.signal.aborted)
    return { session: first, accelerator: wanted }
  say(`${kernel.release}: /dev/kvm is there and does not run it; emulating`)
  return {
    session: await runSession(kernel, { ...session, accelerator: 'tcg' }),
    accelerator: 'tcg',
  }
}

async function testKernel(
  series: KernelSeries,
  options: Options,
  folders: Folders,
  signal: AbortSignal,
): Promise<Row> {
  const began = performance.now()
  try {
    const kernel = await folders.fetchInTurn(() => {
      say(`${series.name}: fetching`)
      return fetchKernel(series, folders.cache, signal)
    })
    const logFile = (what: string): string => join(folders.cache, `${what}-${kernel.release}.log`)
    const workFolder = join(folders.work, series.name)
    mkdirSync(workFolder)
    const initramfs = writeInitramfs(folders.base, kernel, workFolder)
    say(`${series.name}: booting ${kernel.release}`)
    const { session, accelerator } = await runWithBestAccelerator(kernel, options, {
      initramfs,
      timeoutMs: options.timeoutMs,
      workFolder,
      consoleFile: logFile('console'),
      onTest: ({ outcome, name, durationMs, message }) => {
        say(`${series.name}: ${outcome} ${name} (${Math.round(durationMs)} ms)`)
        if (outcome === 'fail') say(message)
      },
      signal,
      append: testsOf(options),
    })
    rmSync(workFolder, { recursive: true })
    writeFileSync(logFile('dmesg'), (session.log ?? []).join('\n'))
    writeFileSync(logFile('output'), session.output.join('\n'))
    return {
      series: series.name,
      release: kernel.release,
      accelerator,
      tookMs: session.tookMs,
      ...judge(series, session, options.short ? shortForm : []),
    }
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    return notRun(series, performance.now() - began, problem)
  }
}

/** For the guest's command line; nothing: all of test/kernel. */
function testsOf({ short, tests }: Options): string {
  if (short) return 'sluice.short'
  return tests.map((glob) => `sluice.tests=${glob}`).join(' ')
}

function notRun({ name }: KernelSeries, tookMs: number, problem: string): Row {
  return {
    series: name,
    release: '',
    accelerator: 'none',
    tookMs,
    ok: false,
    verdict: 'not run',
    passed: 0,
    failed: 0,
    skipped: 0,
    warnings: [],
    problems: [problem],
  }
}

/** In the short form all guests at once: each leaves half of its CPUs idle. */
async function testKernels(
  options: Options,
  folders: Folders,
  signal: AbortSignal,
): Promise<readonly Row[]> {
  const { series } = options
  const test = (one: KernelSeries): Promise<Row> => testKernel(one, options, folders, signal)
  if (options.short) return Promise.all(series.map(test))
  const rows: Row[] = []
  for (const one of series) if (!signal.aborted) rows.push(await test(one))
  return rows
}

interface Folders {
  readonly cache: string
  readonly work: string
  readonly base: string
  /** apt's folder has one user at a time. */
  readonly fetchInTurn: (fetch: () => Promise<Kernel>) => Promise<Kernel>
}

function takeTurns(): Folders['fetchInTurn'] {
  let last: Promise<unknown> = Promise.resolve()
  return (fetch) => {
    const mine = last.then(fetch)
    last = mine.catch(() => undefined)
    return mine
  }
}

function table(rows: readonly Row[]): string {
  const cells = rows.map((row) => [
    row.ok ? '√' : '×',
    row.series,
    row.release,
    row.verdict,
    `${row.passed} passed, ${row.failed} failed, ${row.skipped} skipped`,
    row.warnings.length === 0 ? 'log clean' : `${row.warnings.length} kernel warnings`,
    `${Math.round(row.tookMs / 1000)} s (${row.accelerator})`,
  ])
  const widths =
    cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? []
  const lines = cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  const problems = rows.flatMap((row) =>
    row.problems.map((problem) => `\n${row.series}: ${problem}`),
  )
  return [...lines, ...problems, ''].join('\n')
}

function say(text: string): void {
  process.stderr.write(`kernels: ${text}\n`)
}

async function main(): Promise<void> {
  const options = readOptions()
  if (process.arch !== 'x64')
    throw new Error(`guests are x86-64, this machine is ${process.arch}: use an x86-64 machine`)
  const home = process.env['XDG_CACHE_HOME']
  const cache = home === undefined ? join(root, '.cache/kernels') : join(home, 'sluice/kernels')
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(tmpdir(), 'sluice-kernels-'))
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.once(signal, () => stop.abort(signal))
  const limit = options.short
    ? setTimeout(
        () => stop.abort(`stopped: ${SHORT_FORM_LIMIT_MS / 60_000} minutes are over`),
        SHORT_FORM_LIMIT_MS,
      )
    : undefined
  try {
    const base = writeBase(root, cache, work)
    if (base.missing.length > 0)
      say(`not on this machine, so not in the guests: ${base.missing.join(', ')}`)
    const folders = { cache, work, base: base.file, fetchInTurn: takeTurns() }
    const rows = await testKernels(options, folders, stop.signal)
    const ok = !stop.signal.aborted && rows.every((row) => row.ok)
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ version: 1, ok, kernels: rows }, undefined, 2)}\n`
        : table(rows),
    )
    process.exitCode = ok ? 0 : 1
  } finally {
    clearTimeout(limit)
    rmSync(work, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
