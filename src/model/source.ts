import type { Resource } from './resources.ts'

/**
 * How a node is fed, with the semantics of delta xDS: it subscribes to names, is sent what changed,
 * and acknowledges or rejects each delta. Implemented over a Unix socket by the lab and over gRPC
 * by the operator.
 *
 * Names a node may subscribe to:
 * - `node/<node>`: settings, the enrolment of that node's pods, their workloads, and the services
 *   that these are endpoints of, without endpoints (always subscribed)
 * - `address/<network>/<ip>`: the services with that address, with their endpoints and the
 *   workloads of these; their routes, and without addresses the services to which these lead; else
 *   the workload, with its services without their endpoints. Unknown addresses are answered by
 *   `absent`, and stay subscribed: an address that joins later is sent.
 *
 * One delta is on its way at a time: the next is sent when it is acknowledged, with what changed
 * meanwhile.
 */
export interface Delta {
  readonly nonce: string
  readonly version: string
  readonly upserts: readonly Resource[]
  /** Names (resourceName) that are gone. */
  readonly removals: readonly string[]
  /** Subscribed names that nothing answers to, as of this delta. */
  readonly absent: readonly string[]
  /** Subscribed names that are answered in full as of this delta, and were not before. */
  readonly present?: readonly string[]
  /** Names that are not served, and why: a limit, another node's name, no valid name. */
  readonly refused?: readonly RefusedName[]
  /**
   * The first delta of a stream. What the node held before stays in use until a delta says
   * `complete`; what was not sent until then is gone.
   */
  readonly initial?: boolean
  /** Everything subscribed has been sent. */
  readonly complete?: boolean
}

export interface RefusedName {
  readonly name: string
  /** Names the limit or rule, and the fix. */
  readonly error: string
}

export interface ConfigStream {
  subscribe(names: readonly string[]): void
  unsubscribe(names: readonly string[]): void
  ack(nonce: string): void
  /**
   * The last good state stays; `error` names resource, field and fix.
   * @param rejected names of the resources at fault: the rest of the delta is sent again without
   * them. When none is named, nothing is sent again before something changes.
   */
  nack(nonce: string, error: string, rejected?: readonly string[]): void
  close(): void
}

/** What a node holds when a stream begins. */
export interface HeldState {
  /** Names of resources, and the versions under which they were sent. */
  readonly versions: Iterable<readonly [name: string, version: string]>
  /** Subscribed names that were answered. */
  readonly answered: Iterable<readonly [name: string, state: 'present' | 'absent']>
}

export interface ConfigListener {
  /** For sources that tell the other side, so that it sends only what is different. */
  held?(): HeldState
  onDelta(delta: Delta): void
  /** A delta could not be read; the source has rejected it already. */
  onRejected?(error: string): void
  onConnected(): void
  /**
   * The stream ended; the source reconnects by itself and subscribes again to what was subscribed.
   */
  onDisconnected(reason: string): void
}

export type ConfigSource = (listener: ConfigListener) => ConfigStream
