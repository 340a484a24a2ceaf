import assert from 'node:assert/strict'
import type { Random } from '../../../../src/nodeproxy/balance/picker.ts'
import {
  type Target,
  type TargetList,
  targetKey,
} from '../../../../src/nodeproxy/balance/target.ts'

/** `count` targets with addresses of their own. */
export function targets(count: number): readonly Target[] {
  return Array.from({ length: count }, (_, index) => {
    const address = `10.1.0.${index + 1}`
    return { key: targetKey(address, 80), address, port: 80, workload: `w${index}` }
  })
}

export function listOf(targets: readonly Target[]): TargetList {
  const at = (index: number): Target => targets[index] ?? assert.fail(`no target ${index}`)
  return {
    length: targets.length,
    at,
    keyAt: (index) => at(index).key,
    nodeAt: (index) => at(index).node ?? '',
    indexOf: (key) => targets.findIndex((target) => target.key === key),
  }
}

/** mulberry32: small, and good enough to spread picks. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
