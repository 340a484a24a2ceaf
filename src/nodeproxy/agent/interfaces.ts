import type { PodEnrolment } from '../../model/resources.ts'
import type { KeptListeners } from '../keeper/listener-store.ts'
import type { Kernel, PodListeners } from '../kernel/kernel.ts'
import type { Native } from '../native.ts'
import type { PodAddresses } from './addresses.ts'

/** The narrow handles that the agent works through: each names the least it needs. */
export interface AgentHandles {
  readonly native: Pick<
    Native,
    | 'netnsOpen'
    | 'netnsInspect'
    | 'netnsListen'
    | 'netnsConnections'
    | 'netnsEndConnections'
    | 'socketListens'
    | 'closeFd'
  >
  readonly kernel: Pick<
    Kernel,
    | 'enrolPod'
    | 'isSteeredTo'
    | 'excludeNetns'
    | 'removePod'
    | 'removePodsExcept'
    | 'enrolledNetns'
    | 'enrolledSinceMs'
  >
  /** Where listeners outlive the proxy. */
  readonly listeners: KeptListeners
  readonly audience: PodAudience
  readonly enrolments: EnrolmentSource
}

/**
 * What the workers must know of an enrolled pod. Descriptors stay the agent's; workers duplicate
 * them.
 */
export interface ServedPod {
  readonly podId: number
  readonly uid: string
  readonly netnsFd: number
  readonly addresses: PodAddresses
  readonly listeners: PodListeners
  readonly enrolment: PodEnrolment
}

/** Those who serve pods: all workers. Each promise resolves when all of them have done it. */
export interface PodAudience {
  /** Also for a pod that is served already and changed. */
  serve(pod: ServedPod): Promise<void>
  /** `left`: stop accepting, connections go on. `ended`: reset what is still open too. */
  retire(podId: number, reason: 'left' | 'ended'): Promise<void>
}

export interface EnrolmentSource {
  get(uid: string): PodEnrolment | undefined
  /** True once configuration has named all pods of this node, from the operator or from disk. */
  readonly complete: boolean
}
