import { netnsOfPod } from './netns-of-pod.ts'
import type { ReconcileContext } from './reconcile.ts'
import type { PodRecord } from './record.ts'
import { openConnections } from './socket-table.ts'

/** Counts again how many connections that are older than the enrolment are still open. */
export function refreshOlderConnections(record: PodRecord, context: ReconcileContext): void {
  if (record.connectionsBeforeOpen === 0) return
  const cgroup = context.cgroupOf(record.uid)
  if (cgroup === undefined) return
  const { procDir, nodeInode } = context
  const found = netnsOfPod(cgroup, procDir, nodeInode, record.netns?.inode)
  if (found.kind !== 'own') return
  const now = openConnections(procDir, found.pid)
  record.connectionsBeforeOpen = [...record.connectionsBefore].filter((one) => now.has(one)).length
}
