import type { PodAudience, ServedPod } from '../agent/interfaces.ts'
import type { Acceleration } from '../../model/resources.ts'
import type { PodView } from '../l4/pod.ts'
import type { Publisher } from '../upstream/publisher.ts'
import type { WorkerPool } from './worker-pool.ts'

/**
 * The workers as the agent sees them: they serve its pods, and know their names.
 *
 * @param modes of acceleration that this kernel serves: who asks for another has none
 */
export function workerAudience(
  pool: WorkerPool,
  publisher: Publisher,
  modes: readonly Acceleration[],
): PodAudience {
  const workloads = new Map<number, string>()

  function pin(podId: number, workload: string | undefined): void {
    const before = workloads.get(podId)
    if (before === workload) return
    if (before !== undefined) publisher.unpin(before)
    workloads.delete(podId)
    if (workload === undefined) return
    workloads.set(podId, workload)
    publisher.pin(workload)
  }

  return {
    serve(pod) {
      pin(pod.podId, pod.enrolment.workload)
      const { netnsFd, listeners } = pod
      const view = viewOf(pod, modes)
      return pool.request((request) => ({ kind: 'serve', pod: view, netnsFd, listeners, request }))
    },
    retire(podId, reason) {
      pin(podId, undefined)
      return pool.request((request) => ({ kind: 'retire', podId, reason, request }))
    },
  }
}

function viewOf(
  { podId, uid, addresses, enrolment }: ServedPod,
  modes: readonly Acceleration[],
): PodView {
  const { acceleration } = enrolment
  return {
    podId,
    uid,
    namespace: enrolment.namespace,
    name: enrolment.name,
    workload: enrolment.workload,
    ipv4: addresses.ipv4,
    ipv6: addresses.ipv6,
    acceleration: modes.includes(acceleration) ? acceleration : 'off',
    failureMode: enrolment.failureMode,
  }
}
