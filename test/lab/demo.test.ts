import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import { finish, startProcess } from '../../src/lab/process/process.ts'

const TIMEOUT_MS = 5 * 60_000
const demo = join(import.meta.dirname, '../../src/lab/demo.ts')

interface DemoFigures {
  readonly ok: boolean
  readonly failedChecks: readonly string[]
  readonly redirected: number
  readonly passedThrough: number
  readonly spliced: number
  readonly conntrackAdded: number
  readonly conntrackPlain: number
  readonly iptablesRulesAdded: number
  readonly failedRequests: number
}

test('the demo shows what it promises, and ends with one JSON object', async () => {
  const started = startProcess([process.execPath, demo, '-o', 'json'])
  const { stdout, stderr, status } = await finish(started, false, TIMEOUT_MS)
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, 1, 'standard output is the object alone')
  const figures = JSON.parse(lines[0] ?? '') as DemoFigures
  assert.deepEqual(figures.failedChecks, [], stderr)
  assert.equal(figures.ok, true)
  assert.equal(status, 0)
  assert.equal(figures.conntrackAdded, 0)
  assert.equal(figures.iptablesRulesAdded, 0)
  assert.equal(figures.failedRequests, 0)
  for (const name of ['redirected', 'passedThrough', 'spliced', 'conntrackPlain'] as const) {
    assert.ok(figures[name] > 0, name)
  }
})
