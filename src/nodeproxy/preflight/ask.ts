import { type CheckId, catalogue } from './catalogue.ts'
import type { Finding } from './verdict.ts'

/** What a probe answers: its finding, and what later probes build on. */
export type Answer<T> =
  | { readonly finding: Finding; readonly value: T }
  | { readonly finding: Finding }

/**
 * Asks one question of the catalogue, unless something that it needs is missing. Undefined when it
 * was not asked or failed. What a probe throws is its finding: the message names operation, subject
 * and cause.
 */
export type Ask = <T>(
  id: CheckId,
  probe: () => Answer<T> | Promise<Answer<T>>,
) => Promise<T | undefined>

/** @param unmet checks already known to have failed; grows with each that fails here */
export function createAsk(
  unmet: Set<CheckId>,
  report: (id: CheckId, finding: Finding) => void,
): Ask {
  const needs = new Map(catalogue.map((entry) => [entry.id, entry.needs]))
  return async (id, probe) => {
    if (needs.get(id)?.some((need) => unmet.has(need)) ?? true) {
      unmet.add(id)
      return undefined
    }
    const answer = await attempt(probe)
    report(id, answer.finding)
    if (answer.finding.status === 'fail') unmet.add(id)
    return 'value' in answer ? answer.value : undefined
  }
}

async function attempt<T>(probe: () => Answer<T> | Promise<Answer<T>>): Promise<Answer<T>> {
  try {
    return await probe()
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error))
  }
}

export function passed<T>(detail: string, value: T): Answer<T> {
  return { finding: { status: 'ok', detail }, value }
}

export function failed(
  detail: string,
  better: { effect?: string; fix?: string } = {},
): Answer<never> {
  return { finding: { status: 'fail', detail, ...better } }
}
