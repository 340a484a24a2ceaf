import { enrollWish, isUndecided } from './annotations.ts'
import type { NamespaceFacts, PodFacts, RuntimeClassFacts } from './facts.ts'
import { sandboxOf } from './sandbox.ts'

/** Whether a pod is to be in the mesh, and if not, why. `reason` is empty when it is. */
export interface EnrolmentChoice {
  readonly enrolled: boolean
  readonly reason: string
  /** Both hold only for a pod that its node does not know yet. */
  readonly undecided: boolean
}

/**
 * The pod's own word goes before its namespace's. What cannot be enrolled never is; where it was
 * wished for, the reason says more.
 */
export function chooseEnrolment(
  pod: PodFacts,
  namespace: NamespaceFacts | undefined,
  runtimeClass: RuntimeClassFacts | undefined,
): EnrolmentChoice {
  const own = enrollWish(pod)
  const wish = own ?? enrollWish(namespace)
  if (pod.hostNetwork)
    return not(wish === true ? `${hostNetwork}: ${hostNetworkWords}` : hostNetwork)
  if (hasEnded(pod)) return not(pod.phase.toLowerCase())
  if (own === false) return not('opted out')
  const undecided = isUndecided('enrolled', pod, namespace)
  if (wish !== true) return not(reasonOf(wish, undecided), undecided)
  const sandbox = sandboxOf(pod, runtimeClass)
  return sandbox === '' ? { enrolled: true, reason: '', undecided } : not(sandbox)
}

function reasonOf(wish: false | undefined, undecided: boolean): string {
  if (wish === false) return 'namespace opted out'
  return undecided ? 'the annotation sluice.dev/enroll has a wrong value' : 'not annotated'
}

const hostNetwork = 'hostNetwork'
const hostNetworkWords =
  "it shares the node's network namespace, which is never enrolled; run it without hostNetwork"

/** Its containers are gone for good; its address may be another pod's already. */
export function hasEnded({ phase }: PodFacts): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

function not(reason: string, undecided = false): EnrolmentChoice {
  return { enrolled: false, reason, undecided }
}
