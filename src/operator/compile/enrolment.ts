import { enrollWish } from './annotations.ts'
import type { NamespaceFacts, PodFacts } from './facts.ts'

/** Whether a pod is to be in the mesh, and if not, why. `reason` is empty when it is. */
export interface EnrolmentChoice {
  readonly enrolled: boolean
  readonly reason: string
}

/** The pod's own word goes before its namespace's. What cannot be enrolled never is. */
export function chooseEnrolment(
  pod: PodFacts,
  namespace: NamespaceFacts | undefined,
): EnrolmentChoice {
  if (pod.hostNetwork) return not('hostNetwork')
  if (hasEnded(pod)) return not(pod.phase.toLowerCase())
  const own = enrollWish(pod)
  if (own === false) return not('opted out')
  const wish = own ?? enrollWish(namespace)
  if (wish === true) return { enrolled: true, reason: '' }
  return not(wish === false ? 'namespace opted out' : 'not annotated')
}

/** Its containers are gone for good; its address may be another pod's already. */
export function hasEnded({ phase }: PodFacts): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

function not(reason: string): EnrolmentChoice {
  return { enrolled: false, reason }
}
