import assert from 'node:assert/strict'
import test from 'node:test'
import { Registry } from 'prom-client'
import type { SeriesDelta } from '../../../../src/nodeproxy/telemetry/accumulator.ts'
import { type IstioLabels, istioLabels } from '../../../../src/nodeproxy/telemetry/labels.ts'
import { istioMetrics } from '../../../../src/nodeproxy/telemetry/registry.ts'
import { workload } from '../l4/support.ts'

function labelsOf(name: string): IstioLabels {
  return istioLabels({
    reporter: 'source',
    source: workload(name, '10.0.0.1'),
    destination: undefined,
    service: undefined,
    outside: false,
    flags: '-',
  })
}

function delta(name: string): SeriesDelta {
  return { labels: labelsOf(name), opened: 1, closed: 1, sentBytes: 20, receivedBytes: 10 }
}

async function value(registry: Registry, metric: string, workloadName: string): Promise<number> {
  const found = await registry.getSingleMetric(metric)?.get()
  const series = found?.values.find(({ labels }) => labels.source_workload === workloadName)
  return series?.value ?? 0
}

test('batches add up, series by series', async () => {
  const registry = new Registry()
  const metrics = istioMetrics(registry, () => 0)
  metrics.add([delta('a'), delta('b')])
  metrics.add([delta('a')])
  assert.equal(await value(registry, 'istio_tcp_connections_opened_total', 'a-deployment'), 2)
  assert.equal(await value(registry, 'istio_tcp_connections_closed_total', 'b-deployment'), 1)
  assert.equal(await value(registry, 'istio_tcp_sent_bytes_total', 'a-deployment'), 40)
  assert.equal(await value(registry, 'istio_tcp_received_bytes_total', 'a-deployment'), 20)
})

test('label sets are bounded: what is over is counted as other, and nothing is lost', async () => {
  const registry = new Registry()
  const metrics = istioMetrics(registry, () => 0, 2)
  metrics.add(['a', 'b', 'c', 'd', 'a'].map(delta))
  assert.equal(metrics.series, 2)
  assert.equal(await value(registry, 'istio_tcp_connections_opened_total', 'a-deployment'), 2)
  assert.equal(await value(registry, 'istio_tcp_connections_opened_total', 'other'), 2)
  assert.match(await registry.metrics(), /sluice_metric_series_overflow_total 2/u)
})

test('label sets that have not changed for long are forgotten, and make room', async () => {
  let now = 0
  const registry = new Registry()
  const metrics = istioMetrics(registry, () => now, 1)
  metrics.add([delta('a')])
  now = 5_000
  metrics.forgetIdle(1_000)
  assert.equal(metrics.series, 0)
  metrics.add([delta('b')])
  assert.equal(await value(registry, 'istio_tcp_connections_opened_total', 'b-deployment'), 1)
  assert.doesNotMatch(await registry.metrics(), /a-deployment/u)
})
