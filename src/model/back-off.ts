/** How long to wait before the next attempt. */
export interface BackOff {
  nextMs(): number
  /** It worked: the next failure starts from the beginning. */
  reset(): void
}

export interface BackOffOptions {
  readonly firstMs: number
  readonly maxMs: number
  /** In [0, 1). */
  readonly random: () => number
}

/**
 * Doubles up to the maximum. Half of each wait is random, so that all nodes of a cluster do not
 * come back in one moment when the source does.
 */
export function createBackOff({ firstMs, maxMs, random }: BackOffOptions): BackOff {
  let failures = 0
  return {
    nextMs() {
      const limitMs = Math.min(maxMs, firstMs * 2 ** failures)
      failures += 1
      return limitMs / 2 + (random() * limitMs) / 2
    },
    reset() {
      failures = 0
    },
  }
}
