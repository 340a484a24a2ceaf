import type { Balancer } from '../balance/balancer.ts'
import type { Target } from '../balance/target.ts'
import type { WorkloadFacts } from '../flat/profile.ts'
import type { Refusal } from '../policy/refusal.ts'
import type { Ended } from './events.ts'
import type { Peer } from './leg.ts'
import type { PodView } from './pod.ts'
import type { ServiceName } from './service-view.ts'

/**
 * One proxied connection, from accept to its end. Owned by the worker whose reactor accepted it.
 */
export interface Connection {
  readonly id: number
  readonly direction: 'outbound' | 'inbound'
  /** The pod whose listener took it: the client outbound, the server inbound. */
  readonly pod: PodView
  readonly peer: Peer
  readonly asked: Peer
  readonly originFlags: number
  /**
   * Socket cookies: of the client's app, of the accepted socket, of the leg (0 until connected).
   */
  readonly clientCookie: number
  readonly clientLegCookie: number
  serverLegCookie: number
  /** As known when it was decided; inbound ones may become known a little later. */
  source: WorkloadFacts | undefined
  /** It was asked for, and the answer is on its way. */
  sourcePending: boolean
  destination: WorkloadFacts | undefined
  service: ServiceName | undefined
  balancer: Balancer | undefined
  /** While a connection to it is open or being opened: counted as in flight there. */
  target: Target | undefined
  /** The last target, also after it was given up. */
  endpoint: Target | undefined
  /** The pod at the other end, when it is on this node and in the mesh. */
  localPod: PodView | undefined
  /** It came by an external address of its service. */
  external: boolean
  /** Its requests are decided one by one; no leg of its own. */
  http: boolean
  /** To an address outside the mesh. */
  outside: boolean
  attempts: number
  readonly tried: { readonly keys: string[]; readonly silentNodes: string[] }
  refusal: Refusal | undefined
  connected: boolean
  /** `opened` is told once, when the labels are known. */
  openedTold: boolean
  /** What its series are found by, once its labels are known. */
  labelsKey: string | undefined
  /** Bytes that telemetry has counted while it is open. */
  countedReceived: number
  countedSent: number
  /** Pair slots, from the moment when pairing is asked for. */
  slots: readonly [number, number] | undefined
  /** It has ended, and telemetry waits for `source`. */
  ended: Ended | undefined
}
