import assert from 'node:assert/strict'
import test from 'node:test'
import { createAsk, failed, passed } from '../../../../src/nodeproxy/preflight/ask.ts'
import type { CheckId } from '../../../../src/nodeproxy/preflight/catalogue.ts'
import type { Finding } from '../../../../src/nodeproxy/preflight/verdict.ts'

function asking(unmet: readonly CheckId[]) {
  const reports: [CheckId, Finding][] = []
  return { ask: createAsk(new Set(unmet), (id, finding) => reports.push([id, finding])), reports }
}

test('an answer is reported and its value given on', async () => {
  const { ask, reports } = asking([])
  assert.equal(await ask('addon', () => passed('loaded', 7)), 7)
  assert.deepEqual(reports, [['addon', { status: 'ok', detail: 'loaded' }]])
})

test('what needs something that failed is not asked, nor what needs that', async () => {
  const { ask, reports } = asking([])
  await ask('addon', () => failed('not built'))
  assert.equal(await ask('btf', () => passed('never', 1)), undefined)
  assert.equal(await ask('bpffs', () => passed('never', 1)), undefined)
  assert.deepEqual(
    reports.map(([id]) => id),
    ['addon'],
  )
})

test('what failed before the first question counts', async () => {
  const { ask, reports } = asking(['cap-bpf'])
  assert.equal(await ask('btf', () => passed('never', 1)), undefined)
  assert.equal(reports.length, 0)
})

test('what a probe throws is its finding', async () => {
  const { ask, reports } = asking([])
  const probe = (): never => {
    throw new Error('cannot load addon.node: ENOENT')
  }
  assert.equal(await ask('addon', probe), undefined)
  assert.deepEqual(reports, [
    ['addon', { status: 'fail', detail: 'cannot load addon.node: ENOENT' }],
  ])
})
