import type { PodState } from '../../model/report.ts'
import type { PodEnrolment } from '../../model/resources.ts'
import type { PodListeners } from '../kernel/kernel.ts'
import { addressList, type PodAddresses } from './addresses.ts'
import type { PodStatus } from './pod-status.ts'

/** The pod's namespace, held open: its inode cannot name another one meanwhile. */
export interface HeldNetns {
  readonly fd: number
  readonly inode: bigint
  readonly cookie: bigint
}

/** What is in force for an enrolled pod. */
export interface Enrolled {
  readonly addresses: PodAddresses
  readonly enrolment: PodEnrolment
  readonly listeners: PodListeners
}

/** The agent's memory of one pod. Only the work of that pod, one at a time, changes it. */
export interface PodRecord {
  readonly uid: string
  readonly podId: number
  state: PodState
  sinceMs: number
  reason: string
  netns: HeldNetns | undefined
  excluded: boolean
  enrolled: Enrolled | undefined
  /** When it left the mesh: its listeners serve connects that were under way a little longer. */
  leftAtMs: number | undefined
  /** When its processes were first seen in the node's own namespace. */
  inNodeNetnsSinceMs: number | undefined
  connectionsBefore: ReadonlySet<string>
  connectionsBeforeOpen: number
  /** When that was last counted. */
  connectionsSeenMs: number
  enrolMicroseconds: number
  /** When its listeners had to be replaced last. */
  replacedAtMs: number | undefined
}

export function newRecord(uid: string, podId: number, nowMs: number): PodRecord {
  return {
    uid,
    podId,
    state: 'starting',
    sinceMs: nowMs,
    reason: 'no process yet',
    netns: undefined,
    excluded: false,
    enrolled: undefined,
    leftAtMs: undefined,
    inNodeNetnsSinceMs: undefined,
    connectionsBefore: new Set(),
    connectionsBeforeOpen: 0,
    connectionsSeenMs: nowMs,
    enrolMicroseconds: 0,
    replacedAtMs: undefined,
  }
}

/** `sinceMs` moves when the state does, not when its reason is told again. */
export function setState(record: PodRecord, state: PodState, reason: string, nowMs: number): void {
  if (record.state !== state) record.sinceMs = nowMs
  record.state = state
  record.reason = reason
}

export function statusOf(record: PodRecord, enrolment: PodEnrolment | undefined): PodStatus {
  const held = record.enrolled?.addresses
  return {
    uid: record.uid,
    namespace: enrolment?.namespace ?? '',
    name: enrolment?.name ?? '',
    state: record.state,
    sinceMs: record.sinceMs,
    reason: record.reason,
    podId: record.podId,
    netnsCookie: record.netns === undefined ? '' : String(record.netns.cookie),
    addresses: held === undefined ? (enrolment?.addresses ?? []) : addressList(held),
    acceleration: enrolment?.acceleration ?? 'off',
    failureMode: enrolment?.failureMode ?? 'open',
    connectionsBefore: record.connectionsBefore.size,
    connectionsBeforeOpen: record.connectionsBeforeOpen,
    enrolMicroseconds: record.enrolMicroseconds,
  }
}
