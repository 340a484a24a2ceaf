import type { PodState } from '../../model/report.ts'
import type { Acceleration, FailureMode } from '../../model/resources.ts'

/** What the agent says of one pod, for admin and metrics. */
export interface PodStatus {
  readonly uid: string
  /** Both empty until configuration names the pod. */
  readonly namespace: string
  readonly name: string
  readonly state: PodState
  readonly sinceMs: number
  /** Why it is in this state, with the fix where there is one; empty when enrolled. */
  readonly reason: string
  readonly podId: number
  /** Empty until its namespace was found. */
  readonly netnsCookie: string
  readonly addresses: readonly string[]
  readonly acceleration: Acceleration
  readonly failureMode: FailureMode
  /** Open connections older than the enrolment: they are not in the mesh. At that time, and now. */
  readonly connectionsBefore: number
  readonly connectionsBeforeOpen: number
  /** The agent's own work for the last enrolment; 0 until there was one. */
  readonly enrolMicroseconds: number
}
