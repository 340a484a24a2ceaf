import { formatFieldError } from '../../model/fields.ts'
import type { Problem } from '../compile/problem.ts'

/** As Kubernetes' conditions are written. */
export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
  readonly lastTransitionTime: string
}

/** Status messages may have 32 KiB. */
const maxMessage = 4_000

/** Whether a MeshConfig is in force, and if not, what is wrong, where, and the fix. */
export function acceptedCondition(
  problems: readonly Problem[],
  generation: number,
  before: Condition | undefined,
  now: string,
): Condition {
  const good = problems.every(({ severity }) => severity !== 'error')
  const status = good ? 'True' : 'False'
  const words = problems.map(wordsOf).join('; ').slice(0, maxMessage)
  return {
    type: 'Accepted',
    status,
    reason: good ? 'Accepted' : 'Invalid',
    message: words === '' ? 'it is in force' : words,
    observedGeneration: generation,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
  }
}

/** What is wrong with an object, for somebody who looks at that object. */
export function wordsOf(problem: Problem): string {
  const { effect } = problem
  return `${formatFieldError(problem)}${effect === '' ? '' : `; ${effect}`}`
}
