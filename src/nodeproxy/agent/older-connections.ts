import { netnsOfPod } from './netns-of-pod.ts'
import type { ReconcileContext } from './reconcile.ts'
import type { PodRecord } from './record.ts'
import { openConnections } from './socket-table.ts'

/** Each costs the kernel a look through all sockets of the machine. */
const podsAtOnce = 4

/**
 * Counts again how many connections that are older than the enrolment are still open: for some of
 * the pods that have any, the next ones by the next call.
 */
export async function refreshOlderConnections(
  records: Iterable<PodRecord>,
  context: ReconcileContext,
): Promise<void> {
  const due = [...records]
    .filter(({ connectionsBeforeOpen }) => connectionsBeforeOpen > 0)
    .sort((one, other) => one.connectionsSeenMs - other.connectionsSeenMs)
  for (const record of due.slice(0, podsAtOnce)) await refresh(record, context)
}

async function refresh(record: PodRecord, context: ReconcileContext): Promise<void> {
  record.connectionsSeenMs = context.nowMs()
  const cgroup = context.cgroupOf(record.uid)
  if (cgroup === undefined) return
  const { procDir, nodeInode } = context
  const found = netnsOfPod(cgroup, procDir, nodeInode, record.netns?.inode)
  if (found.kind !== 'own') return
  const before = record.connectionsBefore
  const now = await openConnections(procDir, found.pid, 0)
  // Meanwhile it may have left the mesh and come back.
  if (record.connectionsBefore !== before) return
  record.connectionsBeforeOpen = [...before].filter((one) => now.has(one)).length
}
