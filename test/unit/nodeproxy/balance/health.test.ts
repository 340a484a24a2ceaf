import assert from 'node:assert/strict'
import test from 'node:test'
import { type Health, trackHealth } from '../../../../src/nodeproxy/balance/health.ts'

/** 0: it is in. */
function outUntil(health: Health, key: string, nowMs: number): number {
  return new Map(health.out(nowMs)).get(key) ?? 0
}

const options = { ejectMs: 1_000, maxEjectMs: 4_000 }

test('a failure ejects for a while that doubles up to its bound, and a success forgets it', () => {
  const health = trackHealth(options)
  let now = 0
  for (const expectedMs of [1_000, 2_000, 4_000, 4_000]) {
    assert.equal(health.failed('a', now), true)
    assert.equal(outUntil(health, 'a', now), now + expectedMs)
    now += expectedMs
    assert.equal(outUntil(health, 'a', now), 0, 'it is tried again when the time is over')
  }
  health.succeeded('a')
  health.failed('a', now)
  assert.equal(outUntil(health, 'a', now), now + 1_000)
})

test('failures of connections that were under way say nothing new', () => {
  const health = trackHealth(options)
  health.failed('a', 0)
  assert.equal(health.failed('a', 10), false)
  assert.equal(outUntil(health, 'a', 10), 1_000)
})

test('what is known of targets that nobody tries any more is dropped', () => {
  const health = trackHealth(options)
  health.failed('a', 0)
  health.failed('b', 8_000)
  assert.equal(health.ejected(500), 2)
  health.expire(9_500)
  for (const [key, expectedMs] of [
    ['a', 1_000],
    ['b', 2_000],
  ] as const) {
    health.failed(key, 10_000)
    assert.equal(outUntil(health, key, 10_000), 10_000 + expectedMs, key)
  }
})
