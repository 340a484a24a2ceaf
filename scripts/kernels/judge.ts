import { kernelSkip } from '../testing/outcome.ts'
import type { KernelSeries } from './series.ts'
import type { Session } from './session.ts'
import { type ChosenTests, unheard } from './short-form.ts'

/** What one kernel's run came to. */
export interface Judgement {
  readonly ok: boolean
  /** A word or two for the table. */
  readonly verdict: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly warnings: readonly string[]
  /** Every reason why it is not ok, for people. */
  readonly problems: readonly string[]
}

/**
 * What no kernel prints while all is well. Stalls are no fault of ours where the CPU is emulated.
 */
const warningPatterns: readonly RegExp[] = [
  /\bWARNING:/,
  /\bBUG:/,
  /\bOops\b/,
  /fortify|field-spanning write|detected buffer overflow/,
  /\b(UBSAN|KASAN|KCSAN|KFENCE)\b/,
  /general protection fault/,
  /refcount_t/,
  /Kernel panic/,
  /blocked for more than \d+ seconds/,
  /memory leak/,
  // A process of ours that crashed.
  /segfault at|traps: /,
]

/** Lines of the kernel's log that are a failure. */
export function findWarnings(log: readonly string[]): readonly string[] {
  return log.filter((line) => warningPatterns.some((pattern) => pattern.test(line)))
}

/**
 * Compares what a guest said with what its series is to say.
 * @param chosen tests that must have been heard of; none: whatever there are
 */
export function judge(
  series: KernelSeries,
  session: Session,
  chosen: readonly ChosenTests[] = [],
): Judgement {
  const problems: string[] = []
  if (session.trouble !== undefined) problems.push(session.trouble)
  problems.push(...judgePreflight(series, session))
  const count = (outcome: string): number =>
    session.tests.filter((test) => test.outcome === outcome).length
  const [passed, failed, skipped] = [count('pass'), count('fail'), count('skip')]
  for (const test of session.tests) {
    if (test.outcome === 'fail') problems.push(`${test.file}: ${test.name}: ${test.message}`)
    if (test.outcome === 'skip' && !test.message.startsWith(kernelSkip)) {
      problems.push(
        `${test.file}: ${test.name} was skipped, and not for the kernel: ${test.message}`,
      )
    }
  }
  if (series.expect === 'works' && passed === 0) problems.push('no test passed')
  if (session.tests.length > 0) {
    problems.push(...unheard(chosen, session.tests).map((test) => `${test}: did not run`))
  }
  const warnings = findWarnings(session.log ?? [])
  if (session.log === undefined) problems.push("the kernel's log could not be read")
  problems.push(...warnings.map((line) => `kernel: ${line}`))
  return {
    ok: problems.length === 0,
    verdict: verdictWord(session),
    passed,
    failed,
    skipped,
    warnings,
    problems,
  }
}

function judgePreflight(series: KernelSeries, { preflight }: Session): readonly string[] {
  if (preflight === undefined) return ['preflight said nothing']
  const { verdict, status, stderr } = preflight
  if (verdict === undefined) return [`preflight printed no verdict: ${stderr}`]
  if (status !== (verdict.ok ? 0 : 1))
    return [`preflight exited with ${status} while ok is ${verdict.ok}`]
  if (series.expect === 'refused') {
    const kernel = verdict.checks.find((check) => check.id === 'kernel')
    if (verdict.ok || kernel?.status !== 'fail') return ['preflight did not refuse this kernel']
    return kernel.detail.includes('older than')
      ? []
      : [`preflight refused without the reason: ${kernel.detail}`]
  }
  const missing = new Set(Object.values(verdict.features).flatMap((feature) => feature.missing))
  const off = Object.entries(verdict.features).filter(([, feature]) => !feature.on)
  // What was skipped follows from what failed.
  const reasons = verdict.checks.filter(
    ({ id, status }) => status === 'fail' || (status === 'warn' && missing.has(id)),
  )
  return [
    ...reasons.map((check) => `preflight: ${check.id}: ${check.detail}`),
    ...(off.length === 0 ? [] : [`preflight: off: ${off.map(([name]) => name).join(', ')}`]),
  ]
}

function verdictWord({ preflight, booted }: Session): string {
  if (!booted) return 'did not boot'
  const verdict = preflight?.verdict
  if (verdict === undefined) return 'no verdict'
  if (!verdict.ok) return 'refused'
  return Object.values(verdict.features).every((feature) => feature.on)
    ? 'all features'
    : 'features off'
}
