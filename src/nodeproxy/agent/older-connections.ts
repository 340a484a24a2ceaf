import { connectionNameBytes } from '../native.ts'
import { netnsOfPod } from './netns-of-pod.ts'
import type { ReconcileContext } from './reconcile.ts'
import type { PodRecord } from './record.ts'
import { connectionName, openConnections } from './socket-table.ts'

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

/**
 * Resets the connections that are older than the enrolment, at both ends, where that is wished for:
 * apps make them anew, through the mesh. The pod is in the mesh whether that succeeds or not.
 */
export async function resetOlderConnections(
  { handles, olderStay }: ReconcileContext,
  record: PodRecord,
): Promise<void> {
  const { netns, enrolled, connectionsBefore, connectionsBeforeOpen } = record
  if (netns === undefined || enrolled?.enrolment.oldConnections !== 'reset') return
  if (connectionsBeforeOpen === 0) return
  try {
    const names = olderOf(await handles.native.netnsConnections(netns.fd), connectionsBefore)
    const ended = await handles.native.netnsEndConnections(netns.fd, names)
    record.connectionsBeforeOpen = Math.max(0, connectionsBeforeOpen - ended)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const why = code === 'EOPNOTSUPP' ? 'the kernel has no CONFIG_INET_DIAG_DESTROY' : message
    olderStay(record.uid, why)
  }
}

function olderOf(names: Uint8Array, older: ReadonlySet<string>): Uint8Array {
  const chosen: Uint8Array[] = []
  for (let at = 0; at < names.length; at += connectionNameBytes) {
    const name = names.subarray(at, at + connectionNameBytes)
    if (older.has(connectionName(name))) chosen.push(name)
  }
  return Buffer.concat(chosen)
}
