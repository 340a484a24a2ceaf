import type { RouteBackend } from './decision.ts'
import type { CompiledRule, Mirror, Share } from './compiled-rule.ts'
import { createSplitter, type Splitter } from './splitter.ts'

/** Whose turn it is, of all that takes turns; one a worker, since it is what changes. */
export interface Draw {
  /** @returns undefined for a rule without shares */
  share(rule: CompiledRule): Share | undefined
  mirrors(all: readonly Mirror[]): readonly RouteBackend[]
}

/** @param random in [0, 1) */
export function createDraw(random: () => number): Draw {
  const splitters = new WeakMap<object, Splitter>()

  function splitterOf(owner: object, weights: () => readonly number[]): Splitter {
    const known = splitters.get(owner)
    if (known !== undefined) return known
    const fresh = createSplitter(weights(), random)
    splitters.set(owner, fresh)
    return fresh
  }

  function isDrawn(mirror: Mirror): boolean {
    const { numerator, denominator } = mirror.source
    if (numerator === 0) return false
    if (numerator >= denominator) return true
    return splitterOf(mirror, () => [numerator, denominator - numerator]).next() === 0
  }

  return {
    share(rule) {
      const { shares } = rule
      if (shares.length <= 1) return shares[0]
      return shares[splitterOf(rule, () => shares.map(({ weight }) => weight)).next()]
    },
    mirrors(all) {
      if (all.length === 0) return none
      return all.filter(isDrawn).map(({ backend }) => backend)
    },
  }
}

const none: readonly RouteBackend[] = []
