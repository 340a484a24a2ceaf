import type { Affinity } from '../balance/affinity.ts'
import type { AffinityEntry } from './worker-messages.ts'

/**
 * An affinity whose entries are told to the other workers. One that is renewed is told again when
 * what the others know has less than half of its time left, so a busy client costs two messages a
 * timeout.
 */
export function sharedAffinity(
  own: Affinity,
  nowMs: () => number,
  tell: (entry: AffinityEntry) => void,
): Affinity {
  const told = new Map<string, AffinityEntry>()
  return {
    recall: (service, client, now) => own.recall(service, client, now),
    remember(service, client, key, untilMs) {
      own.remember(service, client, key, untilMs)
      const name = `${service} ${client}`
      const before = told.get(name)
      const now = nowMs()
      if (before?.key === key && before.untilMs - now > (untilMs - now) / 2) return
      const entry = { service, client, key, untilMs }
      told.set(name, entry)
      tell(entry)
    },
    expire(now) {
      own.expire(now)
      for (const [name, { untilMs }] of told) if (untilMs <= now) told.delete(name)
    },
    get size() {
      return own.size
    },
  }
}
