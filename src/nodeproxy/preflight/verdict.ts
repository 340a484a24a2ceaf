import { type CatalogueEntry, type CheckId, catalogue } from './catalogue.ts'
import { decideFeatures, type Features } from './features.ts'

/**
 * `ok` works, `warn` works with a stated loss, `fail` does not work, `skip` could not be asked
 * because another check failed first (`detail` says which).
 */
export type CheckStatus = 'ok' | 'warn' | 'fail' | 'skip'

/** One line of the verdict. `effect` and `fix` are empty where the status is `ok`. */
export interface Check {
  readonly id: CheckId
  readonly status: CheckStatus
  readonly title: string
  readonly detail: string
  readonly effect: string
  readonly fix: string
}

/** What preflight says about this machine; `sluice preflight -o json` prints exactly this. */
export interface Verdict {
  /** Raised when a field changes its meaning or goes away; added fields do not raise it. */
  readonly version: 1
  /** True when every required check passed: enrolled pods of this node can be served. */
  readonly ok: boolean
  /** `uname -r`. */
  readonly kernel: string
  readonly features: Features
  readonly checks: readonly Check[]
}

/**
 * What one probe saw. `fail` on an optional check shows as `warn`, and what needs it is off; `warn`
 * means that it works, with a loss. `effect` and `fix` replace the catalogue's where the probe
 * knows better.
 */
export interface Finding {
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly effect?: string
  readonly fix?: string
}

export type Findings = ReadonlyMap<CheckId, Finding>

/**
 * Puts findings into the catalogue's order and says what they mean. A check without a finding is
 * `skip` when something that it needs is missing, and a failure otherwise: silence never passes.
 * @param silence why probes may not have answered, where that is known
 */
export function buildVerdict(
  kernel: string,
  findings: Findings,
  silence = 'the probe ended without an answer',
): Verdict {
  const checks: Check[] = []
  const unmet = new Set<CheckId>()
  let ok = true
  for (const entry of catalogue) {
    const blockers = entry.needs.filter((id) => unmet.has(id))
    const finding = findings.get(entry.id) ?? unanswered(blockers, silence)
    const met = finding !== undefined && finding.status !== 'fail'
    if (!met) unmet.add(entry.id)
    if (!met && !entry.optional) ok = false
    checks.push(finding ? judged(entry, finding) : skipped(entry, blockers))
  }
  return { version: 1, ok, kernel, features: decideFeatures(unmet), checks }
}

function unanswered(blockers: readonly CheckId[], silence: string): Finding | undefined {
  return blockers.length > 0 ? undefined : { status: 'fail', detail: silence }
}

function judged(entry: CatalogueEntry, finding: Finding): Check {
  const { id, title } = entry
  const { detail } = finding
  if (finding.status === 'ok') return { id, status: 'ok', title, detail, effect: '', fix: '' }
  const status = finding.status === 'fail' && !entry.optional ? 'fail' : 'warn'
  const effect = finding.effect ?? entry.effect
  return { id, status, title, detail, effect, fix: finding.fix ?? entry.fix }
}

function skipped(entry: CatalogueEntry, blockers: readonly CheckId[]): Check {
  const { id, title, effect } = entry
  const detail = `not probed: needs ${blockers.join(', ')}`
  return { id, status: 'skip', title, detail, effect, fix: `Fix ${blockers.join(', ')} first.` }
}
