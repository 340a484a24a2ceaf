/** Median, and the spread as [minimum, maximum]; an empty list is a caller's mistake. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const first = sorted[0]
  const last = sorted.at(-1)
  if (first === undefined || last === undefined) throw new Error('spread of no values')
  const middle = sorted.length >> 1
  const upper = sorted[middle] ?? last
  const median = sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2
  return { median, min: first, max: last }
}

/**
 * Median of the ratios round by round: both were measured within seconds of each other, so a
 * machine whose speed drifts moves both.
 */
export function pairedRatio(above: readonly number[], below: readonly number[]): number {
  const ratios = above.flatMap((value, round) => {
    const other = below[round]
    return other === undefined || other === 0 ? [] : [value / other]
  })
  return spread(ratios).median
}
