import { DoneReason } from '../io/protocol.ts'
import { sockLayout } from '../kernel/abi.ts'
import { decode, u64Bytes } from '../kernel/layout.ts'
import type { Connection } from '../l4/connection.ts'
import type { Native } from '../native.ts'
import type { PairObserver } from '../telemetry/connections.ts'
import type { WorkerPair } from './worker-messages.ts'

/** A pair that ends sooner is not worth two messages to the keeper. */
const keepAfterMs = 500
/** Of a connection that is not paired. */
const noSlot = -1

export interface WorkerPairsOptions {
  readonly native: Pick<Native, 'bpfMapLookup' | 'socketCookie'>
  readonly sockInfoMapFd: number
  readonly pairedFds: (conn: number) => readonly [number, number] | undefined
  readonly nowMs: () => number
}

/** What the keeper does not know yet; what it was told of goes by the client leg's cookie. */
export interface PairChanges {
  readonly pairs: readonly WorkerPair[]
  readonly endedPairs: readonly bigint[]
  /** Their legs are closed here; the connections are the keeper's alone. */
  readonly leftPairs: readonly bigint[]
}

/** The worker's connections that the keeper shall know: paired ones, and at the end all. */
export interface WorkerPairs extends PairObserver {
  /** What is open and not known to the keeper yet; the rest of those have no leg yet. */
  offer(open: Iterable<Connection>): void
  /** The keeper would not have these. */
  refused(clientLegCookies: readonly bigint[]): void
  take(): PairChanges
  /** Connections that the keeper was told of: it can carry them on without this process. */
  readonly kept: Iterable<number>
}

export function trackPairs(options: WorkerPairsOptions): WorkerPairs {
  const young = new Map<number, { connection: Connection; sinceMs: number }>()
  const kept = new Map<number, bigint>()
  let told: WorkerPair[] = []
  let ended: bigint[] = []
  let left: bigint[] = []

  function tell(connection: Connection): void {
    const pair = pairOf(options, connection)
    if (pair === undefined) return
    kept.set(connection.id, pair.clientLegCookie)
    told.push(pair)
  }

  return {
    offer(open) {
      for (const connection of open) {
        // Of those that speak HTTP only tunnels, as of WebSockets, are the same in other hands.
        const forwarded = connection.connected || connection.http
        if (!forwarded || kept.has(connection.id)) continue
        young.delete(connection.id)
        tell(connection)
      }
    },
    refused(cookies) {
      const without = new Set(cookies)
      for (const [id, cookie] of kept) if (without.has(cookie)) kept.delete(id)
    },
    paired: (connection) => void young.set(connection.id, { connection, sinceMs: options.nowMs() }),
    ended({ id }, { reason }) {
      young.delete(id)
      const cookie = kept.get(id)
      if (cookie === undefined) return
      kept.delete(id)
      if (reason === DoneReason.adopted) left.push(cookie)
      else ended.push(cookie)
    },
    take() {
      const before = options.nowMs() - keepAfterMs
      for (const [id, { connection, sinceMs }] of young) {
        if (sinceMs > before) continue
        young.delete(id)
        tell(connection)
      }
      const taken = { pairs: told, endedPairs: ended, leftPairs: left }
      told = []
      ended = []
      left = []
      return taken
    },
    get kept() {
      return kept.keys()
    },
  }
}

function pairOf(options: WorkerPairsOptions, connection: Connection): WorkerPair | undefined {
  const { id, slots, clientCookie, clientLegCookie } = connection
  const fds = options.pairedFds(id)
  if (fds === undefined) return undefined
  const serverLegCookie = connection.http
    ? options.native.socketCookie(fds[1])
    : BigInt(connection.serverLegCookie)
  return {
    clientLegCookie: BigInt(clientLegCookie),
    serverLegCookie,
    clientAppCookie: BigInt(clientCookie),
    serverAppCookie: appBehind(options, serverLegCookie),
    slotToServer: slots?.[0] ?? noSlot,
    slotToClient: slots?.[1] ?? noSlot,
    clientLegFd: fds[0],
    serverLegFd: fds[1],
  }
}

/** Cookie of the app's socket at the other end of a leg; 0n when the kernel does not say. */
function appBehind({ native, sockInfoMapFd }: WorkerPairsOptions, leg: bigint): bigint {
  const bytes = new Uint8Array(sockLayout.bytes)
  if (native.bpfMapLookup(sockInfoMapFd, u64Bytes(leg), bytes) < 0) return 0n
  return decode(sockLayout, bytes).peerCookie
}
