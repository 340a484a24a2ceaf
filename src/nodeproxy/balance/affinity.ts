import type { Candidates } from './picker.ts'
import type { TargetList } from './target.ts'

/**
 * Session affinity ClientIP, as kube-proxy keeps it: a client stays with its endpoint for `seconds`
 * after its last connection, unless that endpoint is gone. The first choice is a rendezvous hash,
 * so that workers which do not share memory choose alike before they have told each other.
 */
export interface Affinity {
  /** The key remembered for this client; undefined when there is none, or its time is over. */
  recall(service: string, client: string, nowMs: number): string | undefined
  remember(service: string, client: string, key: string, untilMs: number): void
  /** Drops what has expired. */
  expire(nowMs: number): void
  readonly size: number
}

interface Entry {
  readonly key: string
  readonly untilMs: number
}

/** @param maxEntries above it the oldest is forgotten: a scan of addresses grows nothing */
export function rememberClients(maxEntries = 65_536): Affinity {
  const entries = new Map<string, Entry>()
  return {
    recall(service, client, nowMs) {
      const entry = entries.get(`${service} ${client}`)
      return entry === undefined || entry.untilMs <= nowMs ? undefined : entry.key
    },
    remember(service, client, key, untilMs) {
      const name = `${service} ${client}`
      entries.delete(name)
      entries.set(name, { key, untilMs })
      if (entries.size <= maxEntries) return
      const oldest = entries.keys().next()
      if (oldest.done !== true) entries.delete(oldest.value)
    },
    expire(nowMs) {
      for (const [name, { untilMs }] of entries) if (untilMs <= nowMs) entries.delete(name)
    },
    get size() {
      return entries.size
    },
  }
}

/**
 * Highest random weight of client and target: the same on every worker, and 1/n moves when n
 * changes. @returns its number; undefined when there is none
 */
export function rendezvous(
  client: string,
  targets: TargetList,
  candidates: Candidates,
): number | undefined {
  let best: number | undefined
  let bestWeight = -1
  const length = candidates?.length ?? targets.length
  for (let place = 0; place < length; place += 1) {
    const index = candidates?.[place] ?? place
    const weight = hash(`${client} ${targets.keyAt(index)}`)
    if (weight > bestWeight) [best, bestWeight] = [index, weight]
  }
  return best
}

/** FNV-1a with murmur3's finaliser, which spreads the last characters over all bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    value = Math.imul(value ^ text.charCodeAt(index), 0x01000193)
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b)
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35)
  return (value ^ (value >>> 16)) >>> 0
}
