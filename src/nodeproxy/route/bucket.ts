import type { Predicate, Subject } from './predicates.ts'
import type { RequestHead } from '../codecs/request-head.ts'

/** One match of one rule, with the place it has among those of its path. */
export interface Candidate<T> {
  readonly predicates: readonly Predicate[]
  /** Of two that both hold, the one that compares as less is taken. */
  readonly rank: Rank
  readonly value: T
}

/** The Gateway API's precedence after the path: each number the smaller the better. */
export interface Rank {
  /** 0: with a method. */
  readonly method: number
  /** Negative counts. */
  readonly headers: number
  readonly query: number
  /** Position of its rule, and of the match in it. */
  readonly order: number
}

export function compareRanks(a: Rank, b: Rank): number {
  return a.method - b.method || a.headers - b.headers || a.query - b.query || a.order - b.order
}

/**
 * The matches of one path. Those that compare with a value are found by it, so that a thousand
 * routes by user or version cost as one: a request has one value of a subject.
 */
export interface Bucket<T> {
  /** @returns the best that holds */
  find(head: RequestHead): Candidate<T> | undefined
}

/** In steps: a path may have ten thousand matches, and requests wait meanwhile. */
export function* buildBucket<T>(unsorted: readonly Candidate<T>[]): Generator<void, Bucket<T>> {
  const candidates = yield* sorted(unsorted)
  const [only] = candidates
  if (only !== undefined && only.predicates.length === 0) return { find: () => only }
  if (candidates.length <= scanned) return { find: (head) => firstOf(candidates, head) }
  const { indexes, rest } = yield* indexed(candidates)
  return {
    find(head) {
      let best = firstOf(rest, head)
      for (const { subject, byValue } of indexes) {
        const value = subject.read(head)
        const found = value === undefined ? undefined : byValue.get(value)
        if (found === undefined) continue
        best = firstOf(found, head, best) ?? best
      }
      return best
    },
  }
}

/** So few are looked at one by one. */
const scanned = 4
/** So many candidates are one step of building. */
const stepSize = 64

/** They come by their order, so that only the few classes of the other numbers need sorting. */
function* sorted<T>(unsorted: readonly Candidate<T>[]): Generator<void, readonly Candidate<T>[]> {
  const classes = new Map<string, Candidate<T>[]>()
  for (const [index, candidate] of unsorted.entries()) {
    if (index % stepSize === 0) yield
    const { method, headers, query } = candidate.rank
    const key = `${method} ${headers} ${query}`
    const same = classes.get(key)
    if (same === undefined) classes.set(key, [candidate])
    else same.push(candidate)
  }
  const groups = [...classes.values()].sort(([a], [b]) =>
    a === undefined || b === undefined ? 0 : compareRanks(a.rank, b.rank),
  )
  return groups.flat()
}

interface ValueIndex<T> {
  readonly subject: Subject
  readonly byValue: ReadonlyMap<string, readonly Candidate<T>[]>
}

interface GrowingIndex<T> {
  readonly subject: Subject
  readonly byValue: Map<string, Candidate<T>[]>
}

/** Each under that comparison of its own which the fewest others share. */
function* indexed<T>(
  candidates: readonly Candidate<T>[],
): Generator<void, { indexes: readonly ValueIndex<T>[]; rest: readonly Candidate<T>[] }> {
  const users = new Map<string, number>()
  const comparisons = ({ predicates }: Candidate<T>) =>
    predicates.filter(({ value }) => value !== undefined)
  for (const [index, candidate] of candidates.entries()) {
    if (index % stepSize === 0) yield
    for (const predicate of comparisons(candidate)) {
      const key = keyOf(predicate)
      users.set(key, (users.get(key) ?? 0) + 1)
    }
  }
  const subjects = new Map<string, GrowingIndex<T>>()
  const rest: Candidate<T>[] = []
  for (const [position, candidate] of candidates.entries()) {
    if (position % stepSize === 0) yield
    const [rarest] = comparisons(candidate).sort(
      (a, b) => (users.get(keyOf(a)) ?? 0) - (users.get(keyOf(b)) ?? 0),
    )
    if (rarest?.value === undefined) {
      rest.push(candidate)
      continue
    }
    const { subject, value } = rarest
    const index: GrowingIndex<T> = subjects.get(subject.id) ?? { subject, byValue: new Map() }
    subjects.set(subject.id, index)
    const same = index.byValue.get(value)
    if (same === undefined) index.byValue.set(value, [candidate])
    else same.push(candidate)
  }
  return { indexes: [...subjects.values()], rest }
}

function keyOf({ subject, value }: Predicate): string {
  return `${subject.id} ${value}`
}

/** @param below what is not better than this one is not looked at */
function firstOf<T>(
  sorted: readonly Candidate<T>[],
  head: RequestHead,
  below?: Candidate<T>,
): Candidate<T> | undefined {
  for (const candidate of sorted) {
    if (below !== undefined && compareRanks(candidate.rank, below.rank) >= 0) return undefined
    if (holds(candidate, head)) return candidate
  }
  return undefined
}

function holds<T>({ predicates }: Candidate<T>, head: RequestHead): boolean {
  for (const predicate of predicates) {
    if (!predicate.holds(predicate.subject.read(head))) return false
  }
  return true
}
