import type { PodListeners } from '../kernel/kernel.ts'
import type { KeptListeners } from '../keeper/listener-store.ts'
import type { Native } from '../native.ts'
import type { PodAddresses } from './addresses.ts'

/** The kernel caps it at net.core.somaxconn; connections wait here while a proxy restarts. */
const backlog = 65_535

const kinds = [
  { name: 'outbound4', family: 4 },
  { name: 'inbound4', family: 4 },
  { name: 'outbound6', family: 6 },
  { name: 'inbound6', family: 6 },
] as const

type ListenerNative = Pick<Native, 'netnsListen' | 'socketListens' | 'closeFd'>

/**
 * The pod's listeners, one per direction and family it has: of those it has already, or that the
 * keeper held, the ones that still listen, and new ones for what is missing; `had` itself when
 * nothing changes. All or nothing: on an error none that was made here remains. What `had` holds
 * stays the caller's.
 */
export async function openListeners(
  native: ListenerNative,
  store: KeptListeners,
  pod: { readonly netnsFd: number; readonly netnsCookie: bigint },
  addresses: PodAddresses,
  had: PodListeners | undefined,
): Promise<PodListeners> {
  const earlier = had ?? store.take(pod.netnsCookie)
  const listeners: { -readonly [name in keyof PodListeners]: number } = {}
  const opened = await Promise.allSettled(
    kinds.map(async ({ name, family }) => {
      const wanted = family === 4 ? addresses.ipv4 : addresses.ipv6
      const kept = earlier[name]
      if (wanted === undefined) return
      if (kept !== undefined && native.socketListens(kept)) listeners[name] = kept
      else listeners[name] = await native.netnsListen(pod.netnsFd, family, backlog)
    }),
  )
  const failed = opened.find((result) => result.status === 'rejected')
  if (failed === undefined) {
    if (had === undefined) closeListeners(native, earlier, listeners)
    else if (descriptorsOf(had).join() === descriptorsOf(listeners).join()) return had
    return listeners
  }
  closeListeners(native, listeners, had)
  if (had === undefined) closeListeners(native, earlier, listeners)
  throw failed.reason
}

/** False when one was destroyed, which root in the pod can do: `ss -K`. */
export function allListen(native: Pick<Native, 'socketListens'>, listeners: PodListeners): boolean {
  return descriptorsOf(listeners).every((fd) => native.socketListens(fd))
}

/** Closes them, but for those that are in `except` too. */
export function closeListeners(
  native: Pick<Native, 'closeFd'>,
  listeners: PodListeners,
  except: PodListeners = {},
): void {
  const stay = new Set(descriptorsOf(except))
  for (const fd of descriptorsOf(listeners)) if (!stay.has(fd)) native.closeFd(fd)
}

function descriptorsOf(listeners: PodListeners): readonly number[] {
  return kinds.flatMap(({ name }) => listeners[name] ?? [])
}
