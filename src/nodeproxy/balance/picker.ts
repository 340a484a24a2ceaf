import type { Target } from './target.ts'

/** A number in [0, 1). Injected, so that tests own it. */
export type Random = () => number

/** What one connection has met so far. */
export interface Tried {
  /** Keys of targets. */
  readonly keys: readonly string[]
  /** Nodes on which a target did not answer at all: the next one there would not either. */
  readonly silentNodes: readonly string[]
}

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
  readonly targets: readonly Target[]
}

/** Those that were not tried; where there is a choice, on none of the silent nodes. */
export function untried(
  targets: readonly Target[],
  { keys, silentNodes }: Tried,
): readonly Target[] {
  const left = targets.filter(({ key }) => !keys.includes(key))
  const elsewhere = left.filter(({ node = '' }) => !silentNodes.includes(node))
  return elsewhere.length > 0 ? elsewhere : left
}

export interface LeastRequestOptions {
  readonly targets: readonly Target[]
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
  const { targets, inFlight, random, staleAtMs } = options

  function choose(from: readonly Target[]): Target | undefined {
    const { length } = from
    if (length < 2) return from[0]
    const first = Math.floor(random() * length)
    // The second index is drawn from the others, so the two choices always differ.
    const second = (first + 1 + Math.floor(random() * (length - 1))) % length
    const [a, b] = [from[first], from[second]]
    if (a === undefined || b === undefined) return a ?? b
    return (inFlight.get(b.key) ?? 0) < (inFlight.get(a.key) ?? 0) ? b : a
  }

  return {
    staleAtMs,
    pick(tried) {
      if (tried.keys.length === 0) return choose(targets)
      return choose(untried(targets, tried))
    },
    targets,
  }
}
