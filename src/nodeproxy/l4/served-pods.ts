import type { PodListeners } from '../kernel/kernel.ts'
import type { CommandWriter } from '../io/command-writer.ts'
import { Direction } from '../io/protocol.ts'
import type { PodLimits } from '../lifecycle/worker-messages.ts'
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
  /** Pods that stopped and are not forgotten. */
  readonly stopped: Iterable<number>
}

export function directionOf(listener: number): 'outbound' | 'inbound' {
  return (listenerKinds[listener & 3]?.direction ?? 0) === Direction.inbound
    ? 'inbound'
    : 'outbound'
}

/** The pods that this worker serves, and their listeners in its reactor. */
export function createServedPods(commands: CommandWriter, limits: PodLimits): ServedPods {
  const pods = new Map<number, PodView>()
  const addresses = new Map<string, PodView>()
  /** By pod: the descriptor behind each listener's number. */
  const listening = new Map<number, Map<number, number>>()
  const stopped = new Set<number>()

  function dropAddresses(pod: PodView): void {
    for (const ip of [pod.ipv4, pod.ipv6]) {
      if (ip !== undefined && addresses.get(ip)?.podId === pod.podId) addresses.delete(ip)
    }
  }

  function stopAccepting(podId: number): void {
    const pod = pods.get(podId)
    if (pod === undefined) return
    dropAddresses(pod)
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
      else dropAddresses(before)
      pods.set(pod.podId, pod)
      stopped.delete(pod.podId)
      for (const ip of [pod.ipv4, pod.ipv6]) if (ip !== undefined) addresses.set(ip, pod)
      const known = listening.get(pod.podId) ?? new Map<number, number>()
      listening.set(pod.podId, known)
      listenerKinds.forEach(({ name, direction }, index) => {
        const fd = listeners[name]
        const listener = pod.podId * 4 + index
        // The agent opens a new one before it closes the old, so the number says which it is.
        if (fd === known.get(listener)) return
        if (known.delete(listener)) commands.unlisten(listener)
        if (fd === undefined) return
        known.set(listener, fd)
        commands.listen({
          listener,
          fd,
          pod: pod.podId,
          netns: pod.podId,
          direction,
          maxConnections: limits.connections,
          maxBufferedBytes: limits.bufferedBytes,
        })
      })
    },
    stopAccepting,
    stopAll() {
      for (const podId of pods.keys()) stopAccepting(podId)
    },
    forget(podId) {
      if (!pods.delete(podId)) return
      stopped.delete(podId)
      commands.netnsRemove(podId)
    },
    stopped,
  }
}
