import type { BalanceState } from '../balance/balancer.ts'
import type { Authorize } from '../policy/authorize.ts'
import type { Asker } from './asker.ts'
import type { Connection } from './connection.ts'
import type { Ended, L4Commands } from './events.ts'
import type { PodView } from './pod.ts'
import type { RouteSettings } from './route.ts'
import type { SlotPool } from './slots.ts'
import type { Tables } from './tables.ts'

export interface FlowSettings extends RouteSettings {
  /** To an endpoint after which another one can be tried. */
  readonly connectTimeoutMs: number
  /** To the last one. */
  readonly onlyConnectTimeoutMs: number
  readonly maxAttempts: number
}

/** Hears what becomes of connections, for telemetry. */
export interface FlowObserver {
  opened(connection: Connection): void
  /** Its apps send to each other past the proxy from here on. */
  paired(connection: Connection): void
  ended(connection: Connection, ended: Ended): void
  /** One whose requests were told one by one. */
  httpEnded(connection: Connection, ended: Ended): void
}

/** What the steps of one worker's flow work with. `open` belongs to them; the rest is handed in. */
export interface FlowContext {
  readonly podById: (podId: number) => PodView | undefined
  readonly podByAddress: (ip: string) => PodView | undefined
  readonly tables: Tables
  readonly balance: BalanceState
  readonly asker: Asker
  readonly authorize: Authorize
  readonly commands: L4Commands
  readonly settings: () => FlowSettings
  readonly slots: SlotPool
  readonly observer: FlowObserver
  /** Decides this connection's requests from here on. */
  readonly beginHttp: (connection: Connection) => void
  readonly nowMs: () => number
  readonly open: Map<number, Connection>
}
