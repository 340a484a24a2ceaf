import assert from 'node:assert/strict'
import test from 'node:test'
import { endedSince } from '../../../../src/lab/demo/traffic.ts'
import type { Asked } from '../../../../src/lab/apps.ts'

function asked(at: number, ms: number): Asked {
  return { ok: false, at, us: ms * 1000, asked: ['10.0.0.1', 80], error: 'reset' }
}

test('what was under way at a time counts as ended since then', () => {
  const before = asked(990, 5)
  const underWay = asked(990, 20)
  const rounded = asked(1000, 0.4)
  const after = asked(1010, 1)
  assert.deepEqual(endedSince([before, underWay, rounded, after], 1001), [underWay, rounded, after])
})
