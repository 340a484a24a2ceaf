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

type ListenerNative = Pick<Native, 'netnsListen' | 'closeFd'>

/**
 * The pod's listeners, one per direction and family it has: those that the keeper held, and new
 * ones for what is missing. All or nothing: on an error none that was made here remains.
 */
export async function openListeners(
  native: ListenerNative,
  store: KeptListeners,
  pod: { readonly netnsFd: number; readonly netnsCookie: bigint },
  addresses: PodAddresses,
): Promise<PodListeners> {
  const listeners: { -readonly [name in keyof PodListeners]: number } = {
    ...store.take(pod.netnsCookie),
  }
  const opened = await Promise.allSettled(
    kinds.map(async ({ name, family }) => {
      const wanted = family === 4 ? addresses.ipv4 : addresses.ipv6
      if (wanted === undefined || listeners[name] !== undefined) return
      listeners[name] = await native.netnsListen(pod.netnsFd, family, backlog)
    }),
  )
  for (const result of opened) {
    if (result.status === 'fulfilled') continue
    closeListeners(native, listeners)
    throw result.reason
  }
  return listeners
}

export function closeListeners(native: Pick<Native, 'closeFd'>, listeners: PodListeners): void {
  for (const { name } of kinds) {
    const fd = listeners[name]
    if (fd !== undefined) native.closeFd(fd)
  }
}
