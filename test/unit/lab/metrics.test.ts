import assert from 'node:assert/strict'
import test from 'node:test'
import { parseMetrics } from '../../../src/lab/metrics.ts'

const text = `# HELP a_total what
# TYPE a_total counter
a_total 3
a_total{x="1",y="two \\"words\\""} 4.5
a_total{x="2"} 1e3
b{path="a\\\\b\\nc"} NaN
`

test('samples are read with their labels', () => {
  const { samples } = parseMetrics(text)
  assert.deepEqual(samples[1], {
    name: 'a_total',
    labels: { x: '1', y: 'two "words"' },
    value: 4.5,
  })
  assert.deepEqual(samples[3]?.labels, { path: 'a\\b\nc' })
  assert.ok(Number.isNaN(samples[3]?.value))
})

test('sums are over all samples that have the labels', () => {
  const metrics = parseMetrics(text)
  assert.equal(metrics.sum('a_total'), 1007.5)
  assert.equal(metrics.sum('a_total', { x: '2' }), 1000)
  assert.equal(metrics.sum('absent_total'), 0)
})

test('a line that is none is named', () => {
  assert.throws(() => parseMetrics('what is this'), /'what is this' is no sample/)
})
