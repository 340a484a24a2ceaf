import type { PodListeners } from '../kernel/kernel.ts'
import type { Native } from '../native.ts'
import type { Keeper } from './client.ts'
import type { KeptPod } from './codec.ts'

/** The agent's listeners, by network namespace, kept where they outlive the proxy. */
export interface KeptListeners {
  /**
   * The listeners kept for this namespace, as descriptors that are now the caller's. Empty: none.
   */
  take(netnsCookie: bigint): PodListeners
  /** The descriptors stay the caller's, and open until drop(). */
  keep(netnsCookie: bigint, podUid: string, listeners: PodListeners): Promise<void>
  drop(netnsCookie: bigint): Promise<void>
  /**
   * After the first look at the node's pods: closes and drops what was kept and nobody took, since
   * it would keep the namespaces of ended pods alive. Resolves with their number.
   */
  dropUntaken(): Promise<number>
}

export interface KeptListenersOptions {
  readonly native: Pick<Native, 'closeFd'>
  readonly keeper: Pick<Keeper, 'list' | 'putListeners' | 'dropPod'>
  /** The directory whose end is the pod's end (its cgroup); empty when it is not known. */
  readonly alivePathOf: (podUid: string) => string
}

const names = ['outbound4', 'inbound4', 'outbound6', 'inbound6'] as const

interface Untaken {
  readonly uid: string
  readonly listeners: PodListeners
}

/**
 * Asks the keeper for what earlier proxies left there; the store is then synchronous to take from.
 */
export async function openKeptListeners(options: KeptListenersOptions): Promise<KeptListeners> {
  const { native, keeper, alivePathOf } = options
  const untaken = new Map<bigint, Untaken>()
  const uids = new Map<bigint, string>()

  for (const pod of await keeper.list()) {
    const facts = readFacts(pod)
    if (facts === undefined || untaken.has(facts.netnsCookie)) {
      for (const fd of pod.fds) native.closeFd(fd)
      await keeper.dropPod(pod.uid)
      continue
    }
    untaken.set(facts.netnsCookie, { uid: pod.uid, listeners: facts.listeners })
    uids.set(facts.netnsCookie, pod.uid)
  }

  return {
    take(netnsCookie) {
      const listeners = untaken.get(netnsCookie)?.listeners ?? {}
      untaken.delete(netnsCookie)
      return listeners
    },
    async keep(netnsCookie, podUid, listeners) {
      uids.set(netnsCookie, podUid)
      await keeper.putListeners(describe(netnsCookie, podUid, alivePathOf(podUid), listeners))
    },
    async drop(netnsCookie) {
      const uid = uids.get(netnsCookie)
      if (uid === undefined) return
      uids.delete(netnsCookie)
      await keeper.dropPod(uid)
    },
    async dropUntaken() {
      const left = [...untaken]
      untaken.clear()
      for (const [netnsCookie, { uid, listeners }] of left) {
        uids.delete(netnsCookie)
        for (const fd of descriptorsOf(listeners)) native.closeFd(fd)
        await keeper.dropPod(uid)
      }
      return left.length
    },
  }
}

function descriptorsOf(listeners: PodListeners): readonly number[] {
  return names.flatMap((name) => listeners[name] ?? [])
}

function describe(
  netnsCookie: bigint,
  uid: string,
  alivePath: string,
  listeners: PodListeners,
): KeptPod {
  const present = names.filter((name) => listeners[name] !== undefined)
  // Their order says which descriptor is which.
  const facts = JSON.stringify({ netnsCookie: String(netnsCookie), listeners: present })
  return { uid, alivePath, facts, fds: descriptorsOf(listeners) }
}

/** Undefined for what another release wrote and this one does not understand. */
function readFacts(pod: KeptPod): { netnsCookie: bigint; listeners: PodListeners } | undefined {
  try {
    const facts: unknown = JSON.parse(pod.facts)
    if (!isFacts(facts) || facts.listeners.length !== pod.fds.length) return undefined
    const listeners = Object.fromEntries(facts.listeners.map((name, i) => [name, pod.fds[i]]))
    return { netnsCookie: BigInt(facts.netnsCookie), listeners }
  } catch {
    return undefined
  }
}

function isFacts(value: unknown): value is { netnsCookie: string; listeners: readonly string[] } {
  if (typeof value !== 'object' || value === null) return false
  if (!('netnsCookie' in value) || !('listeners' in value)) return false
  const { netnsCookie, listeners } = value
  if (typeof netnsCookie !== 'string' || !Array.isArray(listeners)) return false
  return listeners.every((name) => names.some((known) => known === name))
}
