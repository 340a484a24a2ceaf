/** A bucket that fills at a steady rate: so many at once, and so many a second for long. */
export interface RateLimit {
  /** @returns 0 when one more may be now, else after how many milliseconds */
  take(nowMs: number): number
  /** Nothing was taken for so long that it is full: it need not be kept. */
  isFull(nowMs: number): boolean
}

export interface Rate {
  readonly burst: number
  readonly perSecond: number
}

export function createRateLimit({ burst, perSecond }: Rate): RateLimit {
  let left = burst
  let atMs = 0

  function fill(nowMs: number): void {
    left = Math.min(burst, left + (Math.max(0, nowMs - atMs) * perSecond) / 1_000)
    atMs = nowMs
  }

  return {
    take(nowMs) {
      fill(nowMs)
      if (left < 1) return Math.ceil(((1 - left) * 1_000) / perSecond)
      left -= 1
      return 0
    },
    isFull(nowMs) {
      fill(nowMs)
      return left >= burst
    },
  }
}

/** One limit for each key; those that are full again are forgotten. */
export interface RateLimits {
  take(key: string, nowMs: number): number
  readonly size: number
}

const sweepMs = 60_000

export function createRateLimits(rate: Rate): RateLimits {
  const limits = new Map<string, RateLimit>()
  let sweptMs = 0

  return {
    take(key, nowMs) {
      if (nowMs - sweptMs >= sweepMs) {
        sweptMs = nowMs
        for (const [each, limit] of limits) if (limit.isFull(nowMs)) limits.delete(each)
      }
      const limit = limits.get(key) ?? createRateLimit(rate)
      limits.set(key, limit)
      return limit.take(nowMs)
    },
    get size() {
      return limits.size
    },
  }
}
