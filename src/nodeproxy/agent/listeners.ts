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
 * The pod's listeners, one per direction and family it has: those that the keeper held, and new ones for what
 * is missing. All or nothing: on an error none that was made here remains.
 */
export async function openListeners(
  native: ListenerNative,
  store: KeptListeners,
  pod: { uid: string; netnsFd: number; netnsCookie: bigint },
  addresses: PodAddresses,
): Promise<PodListeners> {
  const listeners: { -readonly [name in keyof PodListeners]: number } = {
    ...store.take(pod.netnsCookie),
  }
  try {
    for (const { name, family } of kinds) {
      const wanted = family === 4 ? addresses.ipv4 : addresses.ipv6
      if (wanted === undefined || listeners[name] !== undefined) continue
      listeners[name] = await native.netnsListen(pod.netnsFd, family, backlog)
    }
    // Also what was kept already: this proxy puts it again should the keeper be replaced.
    await store.keep(pod.netnsCookie, pod.uid, listeners)
    return listeners
  } catch (error) {
    closeListeners(native, listeners)
    throw error
  }
}

export function closeListeners(native: Pick<Native, 'closeFd'>, listeners: PodListeners): void {
  for (const { name } of kinds) {
    const fd = listeners[name]
    if (fd !== undefined) native.closeFd(fd)
  }
}
