import type { IstioLabels } from './labels.ts'

/** Istio's bucket bounds, which dashboards and alerts expect. */
export const durationBucketsMs = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000,
  600_000, 1_800_000, 3_600_000,
] as const
export const sizeBucketsBytes: readonly number[] = [...durationBucketsMs]

/** How often a value fell into each bucket; one more than there are bounds. */
export interface Distribution {
  readonly counts: number[]
  sum: number
}

/** What happened to the requests of one series since the last batch. */
export interface RequestSeries {
  readonly labels: IstioLabels
  readonly responseCode: string
  readonly durationMs: Distribution
  readonly requestBytes: Distribution
  readonly responseBytes: Distribution
}

/** A worker's counts of requests, handed over in batches, as the accumulator's of connections. */
export interface RequestAccumulator {
  series(key: string, responseCode: string, labels: () => IstioLabels): RequestSeries
  take(): readonly RequestSeries[]
}

export function observe(into: Distribution, bounds: readonly number[], value: number): void {
  let bucket = 0
  while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket += 1
  into.counts[bucket] = (into.counts[bucket] ?? 0) + 1
  into.sum += value
}

function empty(bounds: readonly number[]): Distribution {
  return { counts: Array.from({ length: bounds.length + 1 }, () => 0), sum: 0 }
}

export function createRequestAccumulator(): RequestAccumulator {
  let series = new Map<string, RequestSeries>()
  return {
    series(key, responseCode, labels) {
      const known = series.get(key)
      if (known !== undefined) return known
      const made = {
        labels: labels(),
        responseCode,
        durationMs: empty(durationBucketsMs),
        requestBytes: empty(sizeBucketsBytes),
        responseBytes: empty(sizeBucketsBytes),
      }
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
