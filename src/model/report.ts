/**
 * - `starting`: no process, or none outside the node's network namespace yet
 * - `unknown`: it runs, and configuration has not said anything about it
 * - `excluded`: known, and not in the mesh
 * - `enrolled`
 * - `failed`: it should be enrolled and cannot be; tried again with back-off
 */
export type PodState = 'starting' | 'unknown' | 'excluded' | 'enrolled' | 'failed'

export const podStates = ['starting', 'unknown', 'excluded', 'enrolled', 'failed'] as const

/** What a node says of one of its pods, which its configuration names. */
export interface PodReport {
  readonly uid: string
  readonly state: PodState
  /** Since 1970. */
  readonly sinceSeconds: number
  /** Why it is in this state; empty when enrolled. */
  readonly reason: string
  /** Why it is not accelerated as it asks; empty when it is. */
  readonly notAccelerated: string
  /** Open connections older than its enrolment: when it was enrolled, and now. */
  readonly connectionsBefore: number
  readonly connectionsBeforeOpen: number
}

export interface FeatureReport {
  readonly name: string
  readonly on: boolean
  readonly reason: string
}

export interface MapReport {
  readonly map: string
  /** Whole percents, so that what moves all the time is not told all the time. */
  readonly percent: number
  readonly maxEntries: number
}

/** What a node says of itself. */
export interface NodeFacts {
  readonly version: string
  readonly kernel: string
  readonly startedSeconds: number
  /** Empty when its pods are served. */
  readonly notReady: string
  readonly features: readonly FeatureReport[]
  readonly maps: readonly MapReport[]
  /** What whoever runs the mesh may want to know of the load of the programs. */
  readonly notes: readonly string[]
  /** Pods that run there, and that configuration has not named. */
  readonly unnamedPods: number
}

/** All that a node has to say at one moment. */
export interface NodeState {
  readonly facts: NodeFacts
  readonly pods: ReadonlyMap<string, PodReport>
}

/** What is different from what was said before on the same stream. */
export interface NodeReport {
  /** Nothing was said before. */
  readonly initial: boolean
  /** Undefined: the same as before. */
  readonly facts: NodeFacts | undefined
  readonly pods: readonly PodReport[]
  /** Uids of pods of which nothing is said any more. */
  readonly gone: readonly string[]
}

/** Characters of any text in a report; longer ones are cut. */
export const maxReportText = 400
export const maxReportItems = 64
/** In one report: it stays small. */
export const podsPerReport = 200
