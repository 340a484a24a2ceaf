import type { Native } from '../native.ts'
import { sockFlags, sockLayout } from './abi.ts'
import { mustBeGone } from './errors.ts'
import { decodeEvent, type KernelEvent } from './events.ts'
import { decode, decodeAll, u64Bytes, u64Of } from './layout.ts'
import type { MapFds } from './maps.ts'

export interface EventWatch {
  subscribe(handler: (event: KernelEvent) => void): void
  /**
   * Begins to consume. The ring has one place to read from: two consumers would tear each other's
   * records.
   */
  start(): void
  /** Sockets that could not leave the sockhash when they turned blocking, and can now. */
  retryLeaving(): void
  stop(): void
}

/** Consumes the ring, does what only user space may do, and passes everything on. */
export function watchEvents(native: Native, maps: MapFds, isEmpty: IsEmpty): EventWatch {
  const handlers: ((event: KernelEvent) => void)[] = []
  /** Those that wait to leave, and whether they have been found empty once. */
  const leaving = new Map<bigint, boolean>()
  let ring: { close(): void } | undefined
  let inherited = false
  const onRecord = (record: Uint8Array): void => {
    const event = decodeEvent(record)
    if (event === undefined) return
    if (event.kind === 'turnedBlocking' && !leaveIfUnfilled(native, maps, event.socketCookie)) {
      leaving.set(event.socketCookie, false)
    }
    for (const handler of handlers) handler(event)
  }
  return {
    subscribe: (handler) => {
      handlers.push(handler)
    },
    start: () => {
      ring ??= native.bpfRingConsumer(maps.events, onRecord)
    },
    retryLeaving: () => {
      if (!inherited && ring !== undefined) {
        inherited = true
        for (const cookie of blockingSockets(native, maps)) {
          if (!leaveIfUnfilled(native, maps, cookie)) leaving.set(cookie, false)
        }
      }
      for (const [cookie, wasEmpty] of leaving) {
        const empty = isEmpty(cookie)
        leaving.set(cookie, empty)
        if (!empty || !wasEmpty) continue
        leaving.delete(cookie)
        leave(native, maps, cookie)
      }
    },
    stop: () => {
      ring?.close()
      ring = undefined
    },
  }
}

/** True also for a socket that is not known any more. */
type IsEmpty = (socketCookie: bigint) => boolean

/**
 * A blocking recv() on a socket in the sockhash returns EAGAIN now and then, so it leaves. Leaving
 * throws away redirected bytes that wait unread: where there may be some (only mode full redirects
 * into an app's socket) this waits until it is empty, and long enough that no sender is still on
 * its way to it.
 */
function leaveIfUnfilled(native: Native, maps: MapFds, cookie: bigint): boolean {
  const bytes = new Uint8Array(sockLayout.bytes)
  if (native.bpfMapLookup(maps.sock_info, u64Bytes(cookie), bytes) < 0) return true
  const { flags } = decode(sockLayout, bytes)
  const mayHoldBytes = (flags & sockFlags.pairable) !== 0 && (flags & sockFlags.checkFile) === 0
  if (!mayHoldBytes) leave(native, maps, cookie)
  return !mayHoldBytes
}

/** In the sockhash still: who heard of them, before this start, did not live to see them empty. */
function blockingSockets(native: Native, maps: MapFds): bigint[] {
  const { keys, values, count } = native.bpfMapDump(maps.sock_info)
  const wanted = sockFlags.blocking | sockFlags.inHash
  return decodeAll(sockLayout, values, count).flatMap(({ flags }, index) =>
    (flags & wanted) === wanted ? [u64Of(keys, index * 8)] : [],
  )
}

function leave(native: Native, maps: MapFds, cookie: bigint): void {
  const key = u64Bytes(cookie)
  mustBeGone('take a socket out of the sockhash', native.bpfMapDelete(maps.sockets, key))
  mustBeGone('forget a socket', native.bpfMapDelete(maps.sock_info, key))
}
