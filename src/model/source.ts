import type { Resource } from './resources.ts'

/**
 * How a node is fed, with the semantics of delta xDS: it subscribes to names, is sent what changed, and
 * acknowledges or rejects each delta. Implemented over a Unix socket by the lab and over gRPC by the operator.
 *
 * Names a node may subscribe to:
 * - `node/<node>`: settings and the enrolment of that node's pods (always subscribed)
 * - `address/<network>/<ip>`: the service or workload with that address, with everything it refers to.
 *   Unknown addresses are answered by `absent`, and stay subscribed: an address that joins later is sent.
 */
export interface Delta {
  readonly nonce: string
  readonly version: string
  readonly upserts: readonly Resource[]
  /** Names (resourceName) that are gone. */
  readonly removals: readonly string[]
  /** Subscribed names that nothing answers to, as of this delta. */
  readonly absent: readonly string[]
}

export interface ConfigStream {
  subscribe(names: readonly string[]): void
  unsubscribe(names: readonly string[]): void
  ack(nonce: string): void
  /** The last good state stays; `error` names resource, field and fix. */
  nack(nonce: string, error: string): void
  close(): void
}

export interface ConfigListener {
  onDelta(delta: Delta): void
  onConnected(): void
  /** The stream ended; the source reconnects by itself and subscribes again to what was subscribed. */
  onDisconnected(reason: string): void
}

export type ConfigSource = (listener: ConfigListener) => ConfigStream
