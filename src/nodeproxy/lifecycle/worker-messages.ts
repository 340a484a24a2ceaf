import type { ServiceRoutes } from '../../model/http-routes.ts'
import type { WorkloadFacts } from '../flat/profile.ts'
import type { FlowSettings } from '../l4/flow-context.ts'
import type { PodView } from '../l4/pod.ts'
import type { ServiceName, ServiceView } from '../l4/service-view.ts'
import type { AddressAnswer, TableCounts } from '../l4/tables.ts'
import type { KernelFds, PodListeners } from '../kernel/kernel.ts'
import type { SeriesDelta } from '../telemetry/accumulator.ts'
import type { ConnectionTotals } from '../telemetry/connections.ts'
import type { RequestSeries } from '../telemetry/request-series.ts'

/**
 * What a thread is told to become a worker. Descriptors are the process's: a worker thread uses
 * them by number.
 */
export interface WorkerOptions {
  readonly index: number
  readonly node: string
  readonly generation: number
  readonly fds: KernelFds
  readonly pairLimitBytes: number
  /** Slots of pair_control that are this worker's. */
  readonly slots: SlotShare
  readonly maxConnections: number
  readonly limits: PodLimits
  readonly settings: WorkerSettings
}

export interface SlotShare {
  readonly first: number
  readonly count: number
  /** Of pairs that the keeper carries on for an earlier proxy: not to be given out. */
  readonly inUse: readonly number[]
}

/** Of one pod in one worker; 0: none. */
export interface PodLimits {
  readonly connections: number
  readonly bufferedBytes: number
}

export interface WorkerSettings extends FlowSettings {
  readonly resolveTimeoutMs: number
  readonly maxOpenQuestions: number
  /** The part of orderly connections that gets an access line: 0 to 1. */
  readonly accessSample: number
}

/** Answered by `applied` with the same number once it is done. */
interface Request {
  readonly request: number
}

export type ToWorker =
  /** The first one. */
  | { readonly kind: 'start'; readonly options: WorkerOptions }
  | ({
      readonly kind: 'serve'
      readonly pod: PodView
      readonly netnsFd: number
      readonly listeners: PodListeners
    } & Request)
  | ({
      readonly kind: 'retire'
      readonly podId: number
      readonly reason: 'left' | 'ended'
    } & Request)
  | { readonly kind: 'address'; readonly ip: string; readonly answer: AddressAnswer | undefined }
  /** Nobody could say in time who has it; the next connection asks again. */
  | { readonly kind: 'unanswered'; readonly ip: string }
  | { readonly kind: 'service'; readonly key: string; readonly view: ServiceView | undefined }
  /** Of a service, whose backends are known already. */
  | {
      readonly kind: 'routes'
      readonly service: string
      readonly routes: ServiceRoutes | undefined
    }
  | { readonly kind: 'serviceName'; readonly key: string; readonly name: ServiceName | undefined }
  | {
      readonly kind: 'workload'
      readonly uid: string
      readonly workload: WorkloadFacts | undefined
    }
  | { readonly kind: 'affinity'; readonly entry: AffinityEntry }
  | { readonly kind: 'settings'; readonly settings: WorkerSettings }
  /** Stop accepting; connections go on. */
  | ({ readonly kind: 'drain' } & Request)
  /** Name all connections in the next report, for the keeper. */
  | ({ readonly kind: 'offer' } & Request)
  /** Let go of those that the keeper was told of, except where it would not have them. */
  | ({ readonly kind: 'handOver'; readonly refused: readonly bigint[] } & Request)
  /** Reset what is still open. */
  | ({ readonly kind: 'resetAll' } & Request)
  | ({ readonly kind: 'report' } & Request)
  | { readonly kind: 'stop' }

/** To one that is started. */
export type ToStarted = Exclude<ToWorker, { readonly kind: 'start' }>

export interface AffinityEntry {
  readonly service: string
  readonly client: string
  readonly key: string
  readonly untilMs: number
}

export type FromWorker =
  | { readonly kind: 'ready' }
  | { readonly kind: 'applied'; readonly request: number }
  | { readonly kind: 'ask'; readonly ip: string; readonly podUid: string }
  | { readonly kind: 'affinity'; readonly entry: AffinityEntry }
  | { readonly kind: 'report'; readonly report: WorkerReport; readonly request: number }
  /** A listener cannot accept for now, or had to refuse; see ListenerReason. */
  | {
      readonly kind: 'listener'
      readonly podId: number
      readonly reason: number
      readonly refused: number
      readonly errno: number
    }
  /** A mistake in this program: it cost one connection. */
  | { readonly kind: 'fault'; readonly message: string; readonly stack: string }
  /** No socket could be made in the pod's namespace. */
  | {
      readonly kind: 'netnsFailed'
      readonly podId: number
      readonly family: number
      readonly errno: number
    }

/** A connection that the keeper may carry on; the descriptors are the reactor's. */
export interface WorkerPair {
  readonly clientLegCookie: bigint
  readonly serverLegCookie: bigint
  readonly clientAppCookie: bigint
  readonly serverAppCookie: bigint
  readonly slotToServer: number
  readonly slotToClient: number
  readonly clientLegFd: number
  readonly serverLegFd: number
}

/** Batches of what happened, and totals since the worker's start. */
export interface WorkerReport {
  readonly series: readonly SeriesDelta[]
  readonly requests: readonly RequestSeries[]
  /** Messages that were no HTTP, by reason. */
  readonly rejections: Readonly<Record<string, number>>
  /** Complete access lines, one after the other. */
  readonly accessLines: string
  /** Addresses in use: configuration keeps them. */
  readonly usedAddresses: readonly string[]
  readonly totals: Readonly<ConnectionTotals>
  readonly refusals: Readonly<Record<string, number>>
  /** For the keeper: see PairChanges. */
  readonly pairs: readonly WorkerPair[]
  readonly endedPairs: readonly bigint[]
  readonly leftPairs: readonly bigint[]
  readonly reactor: Readonly<Record<string, number>>
  /** Open connections by pod number. */
  readonly open: Readonly<Record<number, number>>
  readonly asked: number
  readonly askTimeouts: number
  readonly asksRefused: number
  readonly waiting: number
  readonly tables: TableCounts
  readonly ejected: number
  readonly freePairSlots: number
}
