import type { Verdict } from '../../nodeproxy/preflight/verdict.ts'
import type { Pod } from '../cluster/objects.ts'
import { type NodeAnswer, unanswered } from './node-answer.ts'

/** What comes out of a pod that asks a node. */
export type Judgement =
  /** It has ended: its log has the answer. */
  | 'ended'
  /** It goes on. */
  | 'waits'
  | NodeAnswer

/** Reasons for which a container will not start without somebody's help. */
const hopeless: ReadonlySet<string> = new Set([
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ErrImageInspect',
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
])

const imageHint = 'give --image a name that the nodes can pull, or put the image on the node'
const kubeletHint = 'look at the kubelet of that node, then ask again'

/** @param waitedMs since it was made. @param patienceMs after that it is given up */
export function judgePod(
  node: string,
  pod: Pod | undefined,
  waitedMs: number,
  patienceMs: number,
): Judgement {
  if (pod === undefined) return unanswered(node, 'somebody has deleted its pod', 'ask again')
  const { phase = 'Pending', reason = '', message = '', containerStatuses = [] } = pod.status ?? {}
  const [container] = containerStatuses
  const waiting = container?.state?.waiting
  if (container?.state?.terminated !== undefined) return 'ended'
  if (phase === 'Failed') {
    return unanswered(
      node,
      `the kubelet refuses the pod: ${`${reason} ${message}`.trim()}`,
      kubeletHint,
    )
  }
  if (hopeless.has(waiting?.reason ?? '')) {
    const why = [waiting?.reason, waiting?.message].filter(Boolean).join(': ')
    const hint = /image/iu.test(waiting?.reason ?? '') ? imageHint : kubeletHint
    return unanswered(node, `the pod does not start: ${why}`, hint)
  }
  if (waitedMs < patienceMs) return 'waits'
  const seen =
    container === undefined ? 'its kubelet has not taken the pod' : phaseOf(phase, waiting)
  return unanswered(
    node,
    `no answer in ${Math.round(patienceMs / 1_000)} s: ${seen}`,
    `${kubeletHint}, with a longer --timeout`,
  )
}

function phaseOf(phase: string, waiting: { readonly reason?: string } | undefined): string {
  return waiting?.reason === undefined ? `the pod is ${phase}` : `the pod waits: ${waiting.reason}`
}

/** What the pod has printed. */
export function readVerdict(node: string, log: string): NodeAnswer {
  try {
    const verdict = JSON.parse(log) as Partial<Verdict>
    if (verdict.version === 1 && Array.isArray(verdict.checks)) {
      return { node, answered: true, verdict: verdict as Verdict }
    }
  } catch {
    // It is told with what it said.
  }
  const said = log.trim().slice(0, 200) || 'nothing'
  return unanswered(node, `what it said is no verdict: ${said}`, 'is --image of this version?')
}
