import type { PodEnrolment } from '../../model/resources.ts'
import type { TableChange } from '../../model/tables.ts'
import type { NodeTables } from './node-tables.ts'

/** Time, injected so that tests own it. Milliseconds of any clock that never goes back. */
export interface Clock {
  nowMs(): number
  /** @returns what cancels it */
  after(delayMs: number, run: () => void): () => void
}

/** Whether an address is somebody's. What is there is in the tables: see model/destination.ts. */
export type Resolution =
  | { readonly state: 'known' }
  /** The source says that nobody of the mesh has it. */
  | { readonly state: 'absent' }
  /**
   * No answer in time, or not asked: a limit. Counts as outside, or is refused where the pod fails
   * closed.
   */
  | { readonly state: 'unanswered'; readonly reason: string }

export interface StoreChange extends TableChange {
  /** Addresses (canonical IPs) whose resolution changed: joined the mesh, left it. */
  readonly resolved: readonly string[]
  /** Keys of services whose table is another one now, also where only a workload changed. */
  readonly services: readonly string[]
}

export interface ConfigStore {
  readonly tables: NodeTables
  /** The network that this node's addresses are in. */
  readonly network: string
  /** All pods of this node have been named, by the source or from disk: agent's EnrolmentSource. */
  readonly complete: boolean
  get(podUid: string): PodEnrolment | undefined
  /**
   * Whether an address is known; asks for it when it is not, once however many wait, and keeps it
   * subscribed while it is in use. A promise settles within 500 ms, and never rejects.
   * @param ip canonical: lower case, compressed, IPv4 not mapped
   * @param requester who waits (a pod's uid): one may not use up what all share
   */
  resolve(ip: string, requester: string): Resolution | Promise<Resolution>
  /** Connections to these addresses are open or were made lately: they stay subscribed. */
  touch(ips: Iterable<string>): void
  /** Called after the tables were changed. Gives what ends it. */
  onChange(listener: (change: StoreChange) => void): () => void
  status(): StoreStatus
  /** Writes the state to disk and leaves the source. */
  close(): Promise<void>
}

/** For metrics and admin. */
export interface StoreStatus {
  readonly connected: boolean
  /** Why not, when it is not. */
  readonly reason: string
  /** What is served was read from disk, and the source has not spoken since the start. */
  readonly fromDisk: boolean
  readonly version: string
  readonly resources: number
  readonly subscribed: number
  readonly absent: number
  readonly waiting: number
  readonly counts: StoreCounts
  readonly lastError: string
}

/** Since the start. */
export interface StoreCounts {
  readonly deltasApplied: number
  readonly deltasRejected: number
  readonly asked: number
  readonly unanswered: number
  readonly overLimit: number
  readonly expired: number
}
