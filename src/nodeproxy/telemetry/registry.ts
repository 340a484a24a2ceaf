import { Counter, Gauge, type Registry } from 'prom-client'
import type { SeriesDelta } from './accumulator.ts'
import { type IstioLabels, istioLabelNames } from './labels.ts'
import { requestMetrics } from './request-metrics.ts'
import type { RequestSeries } from './request-series.ts'

/** Label sets kept at most. One more is counted under labels that are all 'other'. */
const maxSeries = 10_000

/** The four metrics of Istio for TCP, fed by batches. */
export interface IstioMetrics {
  add(deltas: readonly SeriesDelta[]): void
  addRequests(batch: readonly RequestSeries[]): void
  /** Drops label sets that have not changed for this long. */
  forgetIdle(idleMs: number): void
  readonly series: number
}

/** @param nowMs of any clock that never goes back */
export function istioMetrics(
  registry: Registry,
  nowMs: () => number,
  most: number = maxSeries,
): IstioMetrics {
  const counter = (name: string, help: string): Counter =>
    new Counter({ name, help, labelNames: istioLabelNames, registers: [registry] })
  const opened = counter(
    'istio_tcp_connections_opened_total',
    'TCP connections opened, as Istio counts them',
  )
  const closed = counter(
    'istio_tcp_connections_closed_total',
    'TCP connections closed, as Istio counts them',
  )
  const sent = counter('istio_tcp_sent_bytes_total', 'Bytes sent to clients as response')
  const received = counter(
    'istio_tcp_received_bytes_total',
    'Bytes received from clients as request',
  )
  const overflow = new Counter({
    name: 'sluice_metric_series_overflow_total',
    help: `Changes counted under 'other', because there were ${most} label sets already`,
    registers: [registry],
  })
  const requests = requestMetrics(registry)
  const known = new Map<string, { labels: IstioLabels; changedMs: number }>()

  function labelsFor(wanted: IstioLabels): IstioLabels {
    const key = istioLabelNames.map((name) => wanted[name]).join('\u0000')
    const found = known.get(key)
    if (found !== undefined) {
      found.changedMs = nowMs()
      return found.labels
    }
    if (known.size < most) {
      known.set(key, { labels: wanted, changedMs: nowMs() })
      return wanted
    }
    overflow.inc()
    return otherLabels(wanted.reporter)
  }

  return {
    add(deltas) {
      for (const delta of deltas) {
        const labels = labelsFor(delta.labels)
        opened.inc(labels, delta.opened)
        closed.inc(labels, delta.closed)
        sent.inc(labels, delta.sentBytes)
        received.inc(labels, delta.receivedBytes)
      }
    },
    addRequests(batch) {
      for (const series of batch) requests.add(series, labelsFor(series.labels))
    },
    forgetIdle(idleMs) {
      const before = nowMs() - idleMs
      for (const [key, { labels, changedMs }] of known) {
        if (changedMs > before) continue
        known.delete(key)
        for (const metric of [opened, closed, sent, received]) metric.remove(labels)
        requests.remove(labels)
      }
    },
    get series() {
      return known.size
    },
  }
}

function otherLabels(reporter: string): IstioLabels {
  return {
    ...Object.fromEntries(istioLabelNames.map((name) => [name, 'other'])),
    reporter,
  } as IstioLabels
}

/**
 * A value that is read when metrics are asked for: `read` gives one number for each set of labels.
 */
export interface Reading {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: () => readonly Reading[],
): void {
  const metric = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      metric.reset()
      for (const { labels, value } of read()) metric.set({ ...labels }, value)
    },
  })
}

/** A total that somebody else counts, shown as a counter. */
export function total(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  read: () => readonly Reading[],
): void {
  const metric = new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect() {
      metric.reset()
      for (const { labels, value } of read()) metric.inc({ ...labels }, value)
    },
  })
}
