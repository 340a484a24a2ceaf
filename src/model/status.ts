import type { NodeFacts } from './report.ts'
import type { Acceleration } from './resources.ts'

// What a replica of the operator answers to people's tools, as JSON. Each knows of the nodes that
// are connected to it, and says which it does not hear from.

/**
 * - `inMesh`
 * - `outside`: it is not to be in the mesh, or cannot be; `why` says which
 * - `starting`: it has no process yet
 * - `behind`: its node's agent has not done yet what it is to do
 * - `failed`: its agent cannot; it tries again
 * - `unheard`: this replica does not hear from its node
 */
export type PodMeshState = 'inMesh' | 'outside' | 'starting' | 'behind' | 'failed' | 'unheard'

export interface PodRow {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly node: string
  readonly state: PodMeshState
  /** Since 1970; 0: not known. */
  readonly sinceSeconds: number
  /** Why it is not in the mesh, with the fix where there is one; empty when it is. */
  readonly why: string
  /** Whether it is to be in the mesh. */
  readonly wanted: boolean
  readonly acceleration: Acceleration
  /** Why it is not accelerated as it asks; empty when it is. */
  readonly notAccelerated: string
  /** Open connections that are older than its enrolment, and so not in the mesh. */
  readonly olderConnections: number
}

export interface NodeRow {
  readonly node: string
  /** Pods that are bound to it, and how many of them are to be in the mesh. */
  readonly pods: number
  readonly wanted: number
  /** By what its agent tells this replica. */
  readonly inMesh: number
  /** Undefined: this replica does not hear from it. */
  readonly facts: NodeFacts | undefined
  /** Since it told something last; 0 where it tells nothing. */
  readonly heardSeconds: number
  readonly streams: readonly StreamRow[]
}

/** A stream of configuration that a node has open. */
export interface StreamRow {
  readonly subscriptions: number
  readonly resources: number
  readonly waiting: boolean
  readonly acked: number
  readonly nacked: number
  /** What it last rejected; empty once it has acknowledged something since. */
  readonly lastError: string
  /** Last acknowledged. */
  readonly version: string
}

/** One resource, as a node holds it and as it would be sent. Versions are hashes of the content. */
export interface ResourceRow {
  readonly name: string
  /** As the node acknowledged it; `outdated`: something else than is published; empty: nothing. */
  readonly held: string
  /** Empty: it is not to hold it any more. */
  readonly wanted: string
  readonly rejected: boolean
  /** What is published, where it was asked for. */
  readonly content?: object
}

export interface ConfigRow extends StreamRow {
  /** What it is subscribed to, and what it was told: `present`, `absent`, or nothing yet. */
  readonly names: readonly { readonly name: string; readonly told: string }[]
  readonly holdings: readonly ResourceRow[]
}

/**
 * - `followed`
 * - `absent`: it has no CRD here
 * - `unusable`: its CRD serves no version that is read, or is not ready
 * - `unknown`: the API server has not said yet
 */
export type ForeignState = 'followed' | 'absent' | 'unusable' | 'unknown'

/** A kind of another project's API (Gateway API, SMI), which a cluster may have or not. */
export interface ForeignKindRow {
  readonly kind: string
  readonly group: string
  readonly state: ForeignState
  /** Which is followed; empty: none. */
  readonly version: string
  /** Which there are, and which are read. */
  readonly served: readonly string[]
  readonly read: readonly string[]
  /** Of the Gateway API, as its CRD says: `v1.6.3` and `standard`; empty where it does not. */
  readonly bundle: string
  readonly channel: string
  /** How many objects ask something of Sluice, and the names of the first. */
  readonly objects: number
  readonly names: readonly string[]
  /** Why it does not follow now; empty while it does. */
  readonly error: string
}

/** Said with every answer. */
export interface ReplicaFacts {
  readonly replica: string
  readonly version: string
  /** Empty when it serves what the cluster says. */
  readonly notReady: string
  readonly leading: boolean
  /** What is wrong with objects, in words with field and fix. */
  readonly problems: readonly string[]
  /** Older replicas do not say. */
  readonly foreign?: readonly ForeignKindRow[]
}

export interface StatusAnswer<T> extends ReplicaFacts {
  readonly rows: readonly T[]
}
