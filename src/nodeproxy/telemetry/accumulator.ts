import type { IstioLabels } from './labels.ts'

/** What happened to one series since the last batch. */
export interface SeriesDelta {
  readonly labels: IstioLabels
  readonly opened: number
  readonly closed: number
  /** Server to client. */
  readonly sentBytes: number
  /** Client to server. */
  readonly receivedBytes: number
}

/** One series in the making. The flow adds to it; `take` reads and clears it. */
export interface Series {
  readonly labels: IstioLabels
  opened: number
  closed: number
  sentBytes: number
  receivedBytes: number
}

/**
 * A worker's counts, handed over in batches. Series are found by a short key, so that a connection
 * costs no label set; those without change in a batch are forgotten with it.
 */
export interface Accumulator {
  series(key: string, labels: () => IstioLabels): Series
  take(): readonly SeriesDelta[]
}

export function createAccumulator(): Accumulator {
  let series = new Map<string, Series>()
  return {
    series(key, labels) {
      const known = series.get(key)
      if (known !== undefined) return known
      const made = { labels: labels(), opened: 0, closed: 0, sentBytes: 0, receivedBytes: 0 }
      series.set(key, made)
      return made
    },
    take() {
      const batch = [...series.values()]
      series = new Map()
      return batch
    },
  }
}
