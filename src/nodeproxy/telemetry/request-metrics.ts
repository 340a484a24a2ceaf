import type { Registry } from 'prom-client'
import {
  type Distribution,
  durationBucketsMs,
  type RequestSeries,
  sizeBucketsBytes,
} from './request-series.ts'
import type { IstioLabels } from './labels.ts'

type Labels = Readonly<Record<string, string>>

interface Kept {
  readonly labels: Labels
  readonly values: Distribution
}

/**
 * Istio's metrics of requests, fed by batches. prom-client's own histograms take one observation at
 * a time; these take a worker's buckets as they are.
 */
export interface RequestMetrics {
  add(series: RequestSeries, labels: IstioLabels): void
  remove(labels: IstioLabels): void
}

export function requestMetrics(registry: Registry): RequestMetrics {
  const total = new Map<string, { readonly labels: Labels; value: number }>()
  register(registry, 'istio_requests_total', 'counter', 'Requests, as Istio counts them', () =>
    [...total.values()].map(({ labels, value }) => ({ labels, value })),
  )
  const durations = histogram(
    registry,
    'istio_request_duration_milliseconds',
    'From the head of a request to the end of its response',
    durationBucketsMs,
  )
  const requests = histogram(
    registry,
    'istio_request_bytes',
    'Bytes of request bodies',
    sizeBucketsBytes,
  )
  const responses = histogram(
    registry,
    'istio_response_bytes',
    'Bytes of response bodies',
    sizeBucketsBytes,
  )
  return {
    add({ responseCode, durationMs, requestBytes, responseBytes }, known) {
      const labels: Labels = { ...known, response_code: responseCode }
      const key = Object.values(labels).join('\u0000')
      const kept = total.get(key) ?? { labels, value: 0 }
      total.set(key, kept)
      kept.value += durationMs.counts.reduce((sum, one) => sum + one, 0)
      durations(key, labels, durationMs)
      requests(key, labels, requestBytes)
      responses(key, labels, responseBytes)
    },
    remove(gone) {
      for (const [key, { labels }] of total) {
        const same = Object.entries(gone).every(([name, value]) => labels[name] === value)
        if (!same) continue
        total.delete(key)
        for (const forget of [durations, requests, responses]) forget(key, labels, undefined)
      }
    },
  }
}

interface Sample {
  readonly labels: Labels
  readonly value: number
  readonly metricName?: string
}

/** What prom-client asks of a metric. */
function register(
  registry: Registry,
  name: string,
  type: 'counter' | 'histogram',
  help: string,
  values: () => Sample[],
): void {
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    reset: () => undefined,
    get: () => Promise.resolve({ name, help, type, aggregator: 'sum', values: values() }),
  }
  registry.registerMetric(metric as unknown as Parameters<Registry['registerMetric']>[0])
}

type Add = (key: string, labels: Labels, delta: Distribution | undefined) => void

function histogram(registry: Registry, name: string, help: string, bounds: readonly number[]): Add {
  const series = new Map<string, Kept>()
  register(registry, name, 'histogram', help, () =>
    [...series.values()].flatMap((kept) => samples(name, bounds, kept)),
  )
  return (key, labels, delta) => {
    if (delta === undefined) {
      series.delete(key)
      return
    }
    const known = series.get(key)
    if (known === undefined) {
      series.set(key, { labels, values: { counts: [...delta.counts], sum: delta.sum } })
      return
    }
    delta.counts.forEach((count, bucket) => {
      known.values.counts[bucket] = (known.values.counts[bucket] ?? 0) + count
    })
    known.values.sum += delta.sum
  }
}

function samples(name: string, bounds: readonly number[], { labels, values }: Kept): Sample[] {
  let count = 0
  const buckets = values.counts.map((one, bucket) => {
    count += one
    const le = bucket < bounds.length ? String(bounds[bucket]) : '+Inf'
    return { labels: { ...labels, le }, value: count, metricName: `${name}_bucket` }
  })
  return [
    ...buckets,
    { labels, value: values.sum, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ]
}
