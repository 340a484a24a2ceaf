/** Passive health: what connecting to a target has shown lately. */
export interface HealthOptions {
  /** How long the first failure keeps a target out; doubles with each further one. */
  readonly ejectMs: number
  readonly maxEjectMs: number
}

export const defaultHealth: HealthOptions = { ejectMs: 1_000, maxEjectMs: 30_000 }

export interface Health {
  succeeded(key: string): void
  /** @returns true when this failure ejected a target that was in use */
  failed(key: string, nowMs: number): boolean
  /** Those that are out, and until when. */
  out(nowMs: number): Iterable<readonly [key: string, untilMs: number]>
  /** Drops what is known of targets that nobody has tried for long after their time was over. */
  expire(nowMs: number): void
  /** Grows with each ejection: a picker made at another version may hold an ejected target. */
  readonly version: number
  /** Targets that are out now, for metrics. */
  ejected(nowMs: number): number
}

interface Record {
  failures: number
  untilMs: number
}

/**
 * Ejects a target whose connect failed, with exponential back-off. After that time the next
 * connections try it again: one success clears the record, one failure doubles the wait.
 */
export function trackHealth(options: HealthOptions = defaultHealth): Health {
  const records = new Map<string, Record>()
  let version = 0
  return {
    succeeded(key) {
      records.delete(key)
    },
    failed(key, nowMs) {
      const record = records.get(key) ?? { failures: 0, untilMs: 0 }
      // Connections that were under way when it was ejected fail too; they say nothing new.
      if (record.untilMs > nowMs) return false
      record.untilMs = nowMs + Math.min(options.ejectMs * 2 ** record.failures, options.maxEjectMs)
      record.failures += 1
      records.set(key, record)
      version += 1
      return true
    },
    *out(nowMs) {
      for (const [key, { untilMs }] of records) if (untilMs > nowMs) yield [key, untilMs]
    },
    expire(nowMs) {
      const before = nowMs - 2 * options.maxEjectMs
      for (const [key, { untilMs }] of records) if (untilMs < before) records.delete(key)
    },
    get version() {
      return version
    },
    ejected(nowMs) {
      let count = 0
      for (const { untilMs } of records.values()) if (untilMs > nowMs) count += 1
      return count
    },
  }
}
