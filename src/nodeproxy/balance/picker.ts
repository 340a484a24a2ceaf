import type { Target, TargetList } from './target.ts'

/** A number in [0, 1). Injected, so that tests own it. */
export type Random = () => number

/** What one connection has met so far. */
export interface Tried {
  /** Keys of targets. */
  readonly keys: readonly string[]
  /** Nodes on which a target did not answer at all: the next one there would not either. */
  readonly silentNodes: readonly string[]
}

/** Numbers of a list's targets; undefined: all. */
export type Candidates = readonly number[] | undefined

/**
 * The momentary state of one balancer: which targets may be used now. Immutable; a change of
 * endpoints or of their health makes a new one, and one assignment swaps it.
 */
export interface Picker {
  /** From this time on (milliseconds, same clock as health) a better picker can be made. */
  readonly staleAtMs: number
  /** One of `untried`; undefined when none is left. */
  pick(tried: Tried): Target | undefined
  /** Those it picks from. */
  readonly candidates: Candidates
}

/** Those that were not tried; where there is a choice, on none of the silent nodes. */
export function untried(
  targets: TargetList,
  candidates: Candidates,
  { keys, silentNodes }: Tried,
): Candidates {
  if (keys.length === 0) return candidates
  const left = without(targets, candidates, keys)
  if (silentNodes.length === 0) return left
  const elsewhere = left.filter((index) => !silentNodes.includes(targets.nodeAt(index)))
  return elsewhere.length > 0 ? elsewhere : left
}

/** Candidates but those with these keys. */
export function without(
  targets: TargetList,
  candidates: Candidates,
  keys: Iterable<string>,
): readonly number[] {
  const gone = new Set(Array.from(keys, (key) => targets.indexOf(key)))
  const all = candidates ?? Array.from({ length: targets.length }, (_, index) => index)
  return all.filter((index) => !gone.has(index))
}

export interface LeastRequestOptions {
  readonly targets: TargetList
  readonly candidates: Candidates
  /** Open connections by Target.key. Read at each pick: the counts move on, the picker does not. */
  readonly inFlight: ReadonlyMap<string, number>
  readonly random: Random
  readonly staleAtMs: number
}

/**
 * Least request of two random choices (Mitzenmacher, "The Power of Two Choices"): near the best
 * balance without the herd that every proxy choosing the one least loaded endpoint makes.
 */
export function leastRequestPicker(options: LeastRequestOptions): Picker {
  const { targets, candidates, inFlight, random, staleAtMs } = options
  const openAt = (index: number): number => inFlight.get(targets.keyAt(index)) ?? 0

  function choose(from: Candidates): Target | undefined {
    const length = from?.length ?? targets.length
    if (length === 0) return undefined
    const numberAt = (place: number): number => from?.[place] ?? place
    if (length === 1) return targets.at(numberAt(0))
    const first = Math.floor(random() * length)
    // The second index is drawn from the others, so the two choices always differ.
    const second = (first + 1 + Math.floor(random() * (length - 1))) % length
    const [a, b] = [numberAt(first), numberAt(second)]
    return targets.at(openAt(b) < openAt(a) ? b : a)
  }

  return {
    staleAtMs,
    pick: (tried) => choose(untried(targets, candidates, tried)),
    candidates,
  }
}
