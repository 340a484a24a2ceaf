import type { PodEnrolment } from '../../model/resources.ts'
import type { PodAddresses } from './addresses.ts'
import type { AgentHandles } from './interfaces.ts'
import { closeListeners, openListeners } from './listeners.ts'
import type { Enrolled, HeldNetns, PodRecord } from './record.ts'
import { openConnections } from './socket-table.ts'

/**
 * Puts a pod into the mesh, or applies a change to one that is in it: listeners, then the workers
 * that serve them, then the kernel, which orders its own maps and attaches the lookup last. Every
 * step before the kernel's is invisible to the pod; the kernel's is all or nothing. On an error
 * nothing of a first enrolment remains.
 */
export async function enrol(
  handles: AgentHandles,
  record: PodRecord,
  netns: HeldNetns,
  enrolment: PodEnrolment,
  addresses: PodAddresses,
  pid: { procDir: string; pid: number },
): Promise<Enrolled> {
  const { native, kernel, listeners: store, audience } = handles
  const before = record.enrolled
  const pod = { netnsFd: netns.fd, netnsCookie: netns.cookie }
  const had = before?.listeners
  const listeners = await openListeners(native, store, pod, addresses, had)
  try {
    const { podId, uid } = record
    // A pod that an earlier proxy enrolled has its connections through the mesh. One that left, and
    // whose listeners were not closed yet, has made some past it.
    const isNew = !kernel.enrolledNetns().includes(netns.cookie)
    const own = Object.keys(listeners).length
    const [older] = await Promise.all([
      isNew ? openConnections(pid.procDir, pid.pid, own) : undefined,
      audience.serve({ podId, uid, netnsFd: netns.fd, addresses, listeners, enrolment }),
      // Also what it keeps already: this proxy puts it again should the keeper be replaced, and
      // another generation may have put its own.
      store.keep(netns.cookie, uid, listeners),
    ])
    if (older !== undefined) {
      record.connectionsBefore = older
      record.connectionsBeforeOpen = older.size
    }
    kernel.enrolPod({
      podId,
      netnsCookie: netns.cookie,
      netnsFd: netns.fd,
      ...addresses,
      failClosed: enrolment.failureMode === 'closed',
      accelerate: enrolment.acceleration,
      listeners,
    })
  } catch (error) {
    if (before === undefined) {
      await audience.retire(record.podId, 'ended')
      await store.drop(netns.cookie)
    }
    closeListeners(native, listeners, had)
    throw error
  }
  if (had !== undefined) closeListeners(native, had, listeners)
  return { addresses, enrolment, listeners }
}

/** Nothing to do when the same is in force already. */
export function inForce(
  enrolled: Enrolled,
  enrolment: PodEnrolment,
  addresses: PodAddresses,
): boolean {
  const now = enrolled.enrolment
  return (
    now.acceleration === enrolment.acceleration &&
    now.failureMode === enrolment.failureMode &&
    now.workload === enrolment.workload &&
    enrolled.addresses.ipv4 === addresses.ipv4 &&
    enrolled.addresses.ipv6 === addresses.ipv6
  )
}
