import type { Target } from '../balance/target.ts'
import type { Connection } from '../l4/connection.ts'
import type { PodView } from '../l4/pod.ts'
import type { Refusal } from '../policy/refusal.ts'
import type { WorkloadFacts } from '../flat/profile.ts'
import type { ForwardDecision, RouteName } from '../route/decision.ts'

/** One request, from its head to the end of its response. Owned by the worker that has it. */
export interface Exchange {
  readonly stream: number
  /** The client's. */
  readonly connection: Connection
  readonly method: string
  /** With its query, as sent. */
  readonly target: string
  readonly authority: string
  /** When its head was there. */
  readonly beganMs: number
  /** Which rule decided; undefined: its service has no routes. */
  route: RouteName | undefined
  decision: ForwardDecision | undefined
  /** What the decision changes of its heads, for the engine. */
  edits: Uint8Array | undefined
  attempts: number
  readonly tried: { readonly keys: string[]; readonly silentNodes: string[] }
  /** While it is under way there. */
  endpoint: Target | undefined
  /** The last one, also after it failed. */
  lastEndpoint: Target | undefined
  destination: WorkloadFacts | undefined
  localPod: PodView | undefined
  /** Why it was not answered by an endpoint. */
  refusal: Refusal | undefined
}

/** How a request ended, as telemetry needs it. */
export interface ExchangeEnd {
  /** 0: no response was sent. */
  readonly status: number
  /** StreamReason */
  readonly reason: number
  readonly requestBytes: number
  readonly responseBytes: number
  readonly durationUs: number
  /** -1: no byte of a response came. */
  readonly firstByteUs: number
}

/** Hears what becomes of requests, for telemetry. */
export interface ExchangeObserver {
  ended(exchange: Exchange, end: ExchangeEnd): void
  /** Something that was no request; `error` is a MessageError. */
  rejected(connection: Connection, error: number, status: number): void
}
