import { type CheckId, catalogue } from '../../../src/nodeproxy/preflight/catalogue.ts'
import {
  buildVerdict,
  type Finding,
  type Verdict,
} from '../../../src/nodeproxy/preflight/verdict.ts'

/**
 * The verdict of a machine where all is well but what is given; `undefined` takes an answer away.
 */
export function verdictWith(changes: Partial<Record<CheckId, Finding | undefined>>): Verdict {
  const findings = new Map<CheckId, Finding>()
  for (const { id } of catalogue) {
    const finding = id in changes ? changes[id] : { status: 'ok' as const, detail: 'fine' }
    if (finding !== undefined) findings.set(id, finding)
  }
  return buildVerdict('6.1.0-test', findings)
}

export function failure(detail: string): Finding {
  return { status: 'fail', detail }
}
