/**
 * An immutable map that is cheap to change: a change copies the shards it touches and shares the
 * others, so readers of the table before it see it unchanged.
 */
export interface Table<V> {
  get(key: string): V | undefined
  readonly size: number
  entries(): Iterable<readonly [string, V]>
  values(): Iterable<V>
  /** @param changes by key; undefined removes. Gives the same table when there are none. */
  with(changes: ReadonlyMap<string, V | undefined>): Table<V>
}

type Shards<V> = readonly ReadonlyMap<string, V>[]

const SHARDS = 256

export function emptyTable<V>(): Table<V> {
  const empty: ReadonlyMap<string, V> = new Map()
  return tableOf(
    Array.from({ length: SHARDS }, () => empty),
    0,
  )
}

function tableOf<V>(shards: Shards<V>, size: number): Table<V> {
  return {
    size,
    get: (key) => shards[shardOf(key)]?.get(key),
    *entries() {
      for (const shard of shards) yield* shard.entries()
    },
    *values() {
      for (const shard of shards) yield* shard.values()
    },
    with(changes) {
      return changes.size === 0 ? this : changed(shards, size, changes)
    },
  }
}

function changed<V>(
  before: Shards<V>,
  sizeBefore: number,
  changes: ReadonlyMap<string, V | undefined>,
): Table<V> {
  const shards = [...before]
  const copies = new Map<number, Map<string, V>>()
  let size = sizeBefore
  for (const [key, value] of changes) {
    const index = shardOf(key)
    const copy = copies.get(index) ?? new Map(shards[index])
    copies.set(index, copy)
    if (copy.has(key)) size -= 1
    if (value === undefined) copy.delete(key)
    else {
      copy.set(key, value)
      size += 1
    }
  }
  for (const [index, copy] of copies) shards[index] = copy
  return tableOf(shards, size)
}

/** FNV-1a, folded: keys differ mostly in their last characters. */
function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < key.length; index += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193)
  }
  return ((hash >>> 24) ^ (hash >>> 12) ^ hash) & (SHARDS - 1)
}
