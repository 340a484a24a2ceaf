import type { PodListeners } from '../kernel/kernel.ts'
import type { CommandWriter, ListenCommand } from '../io/command-writer.ts'
import { Direction } from '../io/protocol.ts'
import type { PodLimits } from '../lifecycle/worker-messages.ts'
import type { Scheduler } from '../time/scheduler.ts'
import type { PodView } from './pod.ts'

/** A reactor's number for a listener: pod number times four, plus the place in this list. */
const listenerKinds = [
  { name: 'outbound4', direction: Direction.outbound },
  { name: 'inbound4', direction: Direction.inbound },
  { name: 'outbound6', direction: Direction.outbound },
  { name: 'inbound6', direction: Direction.inbound },
] as const

/** Unconnected sockets that are kept ready in a pod's namespace, a family. */
const readySockets = 16

export interface ServedPods {
  byId(podId: number): PodView | undefined
  byAddress(ip: string): PodView | undefined
  /** Accepts for this pod from now on, or goes on with what changed about it. */
  serve(pod: PodView, netnsFd: number, listeners: PodListeners): void
  /** Accepts no more. Its namespace is still known, for connections that have no leg yet. */
  stopAccepting(podId: number): void
  stopAll(): void
  forget(podId: number): void
  /**
   * The reactor could not take a listener, or does not accept by it now.
   * @returns whether that is worth telling
   */
  listenerFailed(listener: number, errno: number): boolean
  /** The same of a pod's namespace, or of a socket in it. */
  netnsFailed(podId: number, errno: number): boolean
  /** Pods that stopped and are not forgotten. */
  readonly stopped: Iterable<number>
}

export function directionOf(listener: number): 'outbound' | 'inbound' {
  return (listenerKinds[listener & 3]?.direction ?? 0) === Direction.inbound
    ? 'inbound'
    : 'outbound'
}

/** The reactor has it already: nothing was amiss but a socket, or a connection. */
const EEXIST = 17
/** Of what there may be more again: ENOMEM, ENFILE, EMFILE, ENOSPC, ENOBUFS. */
const scarcities = new Set([12, 23, 24, 28, 105])
const retryMs = 500

type Retry = (what: string, errno: number, order: () => void) => boolean

/**
 * What was refused for want of something is ordered again, and its order looks whether it is still
 * wanted. What comes back says whether the refusal is worth telling.
 */
function createRetry(scheduler: Scheduler): Retry {
  const waiting = new Set<string>()
  return (what, errno, order) => {
    if (errno === EEXIST) return false
    if (!scarcities.has(errno) || waiting.has(what)) return true
    waiting.add(what)
    scheduler.after(retryMs, () => {
      waiting.delete(what)
      order()
    })
    return true
  }
}

function addressesOf({ ipv4, ipv6 }: PodView): string[] {
  return [ipv4, ipv6].filter((ip) => ip !== undefined)
}

/** Nothing of an address that is another pod's by now. */
function dropAddresses(addresses: Map<string, PodView>, pod: PodView): void {
  for (const ip of addressesOf(pod)) {
    if (addresses.get(ip)?.podId === pod.podId) addresses.delete(ip)
  }
}

/** The reactor's numbers for all listeners that a pod may have, and their descriptors. */
function numbered(podId: number, listeners: PodListeners) {
  return listenerKinds.map(({ name }, index) => [podId * 4 + index, listeners[name]] as const)
}

function listenOf(listener: number, fd: number, limits: PodLimits): ListenCommand {
  const podId = listener >> 2
  return {
    listener,
    fd,
    pod: podId,
    netns: podId,
    direction: listenerKinds[listener & 3]?.direction ?? Direction.outbound,
    maxConnections: limits.connections,
    maxBufferedBytes: limits.bufferedBytes,
  }
}

type Orders = Pick<CommandWriter, 'listen' | 'unlisten' | 'netnsAdd' | 'netnsRemove'>

/** The pods that this worker serves, and their listeners in its reactor. */
export function createServedPods(
  commands: Orders,
  limits: PodLimits,
  scheduler: Scheduler,
): ServedPods {
  const pods = new Map<number, PodView>()
  const netnsFds = new Map<number, number>()
  const retry = createRetry(scheduler)
  const addresses = new Map<string, PodView>()
  /** By pod: the descriptor behind each listener's number; the main thread's. */
  const listening = new Map<number, Map<number, number>>()
  const stopped = new Set<number>()

  function stopAccepting(podId: number): void {
    const pod = pods.get(podId)
    if (pod === undefined) return
    dropAddresses(addresses, pod)
    for (const listener of listening.get(podId)?.keys() ?? []) commands.unlisten(listener)
    listening.delete(podId)
    stopped.add(podId)
  }

  return {
    byId: (podId) => pods.get(podId),
    byAddress: (ip) => addresses.get(ip),
    serve(pod, netnsFd, listeners) {
      const before = pods.get(pod.podId)
      if (before === undefined) commands.netnsAdd(pod.podId, netnsFd, readySockets)
      else dropAddresses(addresses, before)
      netnsFds.set(pod.podId, netnsFd)
      pods.set(pod.podId, pod)
      stopped.delete(pod.podId)
      for (const ip of addressesOf(pod)) addresses.set(ip, pod)
      const known = listening.get(pod.podId) ?? new Map<number, number>()
      listening.set(pod.podId, known)
      for (const [listener, fd] of numbered(pod.podId, listeners)) {
        // The agent opens a new one before it closes the old, so the number says which it is.
        if (fd === known.get(listener)) continue
        if (known.delete(listener)) commands.unlisten(listener)
        if (fd === undefined) continue
        known.set(listener, fd)
        commands.listen(listenOf(listener, fd, limits))
      }
    },
    stopAccepting,
    stopAll() {
      for (const podId of pods.keys()) stopAccepting(podId)
    },
    forget(podId) {
      if (!pods.delete(podId)) return
      stopped.delete(podId)
      netnsFds.delete(podId)
      commands.netnsRemove(podId)
    },
    listenerFailed: (listener, errno) =>
      retry(`listener ${listener}`, errno, () => {
        const fd = listening.get(listener >> 2)?.get(listener)
        if (fd !== undefined) commands.listen(listenOf(listener, fd, limits))
      }),
    netnsFailed: (podId, errno) =>
      retry(`netns ${podId}`, errno, () => {
        const fd = netnsFds.get(podId)
        if (fd !== undefined) commands.netnsAdd(podId, fd, readySockets)
      }),
    stopped,
  }
}
