/** Says whose turn it is, so that shares are exact over time and not on average alone. */
export interface Splitter {
  /** @returns the index of a weight */
  next(): number
}

/**
 * Earliest deadline first: the j-th turn of a share w of W is due between the j-1st and the j-th
 * multiple of W/w. On one sequence that meets every deadline, so after k turns a share has had
 * k*w/W of them, rounded up or down, for each k (Baruah et al., "Proportionate progress", 1996).
 * @param weights whole numbers, each at least 1, together below 2^26
 * @param random in [0, 1): whose turn is the first, so that proxies that each see few requests do
 *     not all begin with the same backend. Any first turn leaves all deadlines within reach.
 */
export function createSplitter(weights: readonly number[], random: () => number): Splitter {
  if (weights.length === 1) return { next: () => 0 }
  const divisor = weights.reduce(greatestCommonDivisor)
  const shares = weights.map((weight) => weight / divisor)
  const total = shares.reduce((sum, share) => sum + share, 0)
  const done = shares.map(() => 0)
  const releases = shares.map(() => 0)
  const deadlines = shares.map((share) => Math.ceil(total / share))
  let turn = 0
  let isFirst = true

  function begin(): void {
    turn = 0
    for (const [index, share] of shares.entries()) {
      done[index] = 0
      releases[index] = 0
      deadlines[index] = Math.ceil(total / share)
    }
  }

  function due(): number {
    let best = -1
    let bestDeadline = Infinity
    for (let index = 0; index < shares.length; index += 1) {
      const deadline = deadlines[index] ?? 0
      if (deadline >= bestDeadline || (releases[index] ?? 0) > turn) continue
      best = index
      bestDeadline = deadline
    }
    return best
  }

  return {
    next() {
      if (turn === total) begin()
      const index = isFirst ? drawn(shares, random() * total) : due()
      isFirst = false
      const share = shares[index] ?? 1
      const count = (done[index] ?? 0) + 1
      done[index] = count
      releases[index] = Math.floor((count * total) / share)
      deadlines[index] = Math.ceil(((count + 1) * total) / share)
      turn += 1
      return index
    },
  }
}

/** The share that a point of [0, total) lies in. */
function drawn(shares: readonly number[], point: number): number {
  let end = 0
  const found = shares.findIndex((share) => {
    end += share
    return point < end
  })
  return found === -1 ? shares.length - 1 : found
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
