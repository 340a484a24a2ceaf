import { DoneReason } from '../io/protocol.ts'
import { sockLayout } from '../kernel/abi.ts'
import { decode, u64Bytes } from '../kernel/layout.ts'
import type { Connection } from '../l4/connection.ts'
import type { Native } from '../native.ts'
import type { PairObserver } from '../telemetry/connections.ts'
import type { WorkerPair } from './worker-messages.ts'

/** A pair that ends sooner is not worth two messages to the keeper. */
const keepAfterMs = 500

export interface WorkerPairsOptions {
  readonly native: Pick<Native, 'bpfMapLookup'>
  readonly sockInfoMapFd: number
  readonly pairedFds: (conn: number) => readonly [number, number] | undefined
  readonly nowMs: () => number
}

/** The worker's paired connections, as the keeper shall know them. */
export interface WorkerPairs extends PairObserver {
  /** What the keeper does not know yet. */
  take(): { readonly pairs: readonly WorkerPair[]; readonly ended: readonly bigint[] }
  /** Connections whose pair the keeper was told of: it can carry them on without this process. */
  readonly kept: Iterable<number>
}

export function trackPairs(options: WorkerPairsOptions): WorkerPairs {
  const young = new Map<number, { connection: Connection; sinceMs: number }>()
  const kept = new Map<number, bigint>()
  let ended: bigint[] = []
  return {
    paired: (connection) => void young.set(connection.id, { connection, sinceMs: options.nowMs() }),
    ended({ id }, { reason }) {
      young.delete(id)
      const cookie = kept.get(id)
      if (cookie === undefined) return
      kept.delete(id)
      // One that was left to the keeper is the keeper's.
      if (reason !== DoneReason.adopted) ended.push(cookie)
    },
    take() {
      const before = options.nowMs() - keepAfterMs
      const pairs: WorkerPair[] = []
      for (const [id, { connection, sinceMs }] of young) {
        if (sinceMs > before) continue
        young.delete(id)
        const pair = pairOf(options, connection)
        if (pair === undefined) continue
        kept.set(id, pair.clientLegCookie)
        pairs.push(pair)
      }
      const over = ended
      ended = []
      return { pairs, ended: over }
    },
    get kept() {
      return kept.keys()
    },
  }
}

function pairOf(options: WorkerPairsOptions, connection: Connection): WorkerPair | undefined {
  const { id, slots, clientCookie, clientLegCookie, serverLegCookie } = connection
  const fds = options.pairedFds(id)
  if (fds === undefined || slots === undefined) return undefined
  return {
    clientLegCookie: BigInt(clientLegCookie),
    serverLegCookie: BigInt(serverLegCookie),
    clientAppCookie: BigInt(clientCookie),
    serverAppCookie: appBehind(options, BigInt(serverLegCookie)),
    slotToServer: slots[0],
    slotToClient: slots[1],
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
