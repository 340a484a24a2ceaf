// What the benchmark and its processes say to each other.
import type { ControlPlan } from './plan.ts'

export type OperatorOrder =
  | { readonly kind: 'start'; readonly plan: ControlPlan; readonly apiUrl: string }
  /** What was sent to each node so far. */
  | { readonly kind: 'sent' }

export interface OperatorAnswer {
  readonly grpcPort: number
  /** By number of the node, the last one being the one that uses everything. */
  readonly bytes: readonly number[]
  /** Of these, of deltas with nothing that the node uses. Counted for changes of services alone. */
  readonly foreignBytes: number
}

/** A node acknowledged a delta with a service as it was after that change of it. */
export type Ack = readonly [service: number, turn: number, node: number, atNs: number]

export type NodesOrder =
  | {
      readonly kind: 'start'
      readonly plan: ControlPlan
      /** Which nodes are this process's, by number. */
      readonly part: { readonly first: number; readonly end: number }
      readonly address: string
      readonly serverName: string
      readonly ca: string
    }
  /** All nodes connect, if they are not, and use so many of their services. */
  | { readonly kind: 'use'; readonly services: number }
  /** All end, and come back knowing nothing, with all their services in use. */
  | { readonly kind: 'restart' }
  /** One more node, which uses all services. */
  | { readonly kind: 'everything' }

export interface NodesAnswer {
  /** Until every node had everything it uses. */
  readonly seconds: number
}

/** That the operator's certificate names. */
export const servingName = 'operator.bench'

export function nowNs(): number {
  return Number(process.hrtime.bigint())
}
