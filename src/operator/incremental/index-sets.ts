/** Keys to the names that have them; keys that nothing has are not there. */
export interface IndexSets {
  get(key: string): ReadonlySet<string>
  /** Puts a name under these keys and no others. */
  set(name: string, keys: Iterable<string>): void
  /** The keys of a name. */
  keysOf(name: string): ReadonlySet<string>
}

const none: ReadonlySet<string> = new Set()

export function createIndexSets(): IndexSets {
  const names = new Map<string, Set<string>>()
  const keys = new Map<string, ReadonlySet<string>>()

  return {
    get: (key) => names.get(key) ?? none,
    keysOf: (name) => keys.get(name) ?? none,
    set(name, now) {
      const fresh = new Set(now)
      const before = keys.get(name) ?? none
      for (const key of before) {
        if (fresh.has(key)) continue
        const left = names.get(key)
        left?.delete(name)
        if (left?.size === 0) names.delete(key)
      }
      for (const key of fresh) {
        if (before.has(key)) continue
        const joined = names.get(key) ?? new Set()
        names.set(key, joined.add(name))
      }
      if (fresh.size === 0) keys.delete(name)
      else keys.set(name, fresh)
    },
  }
}
