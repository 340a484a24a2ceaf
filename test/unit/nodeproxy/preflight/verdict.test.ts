import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type CheckId, catalogue } from '../../../../src/nodeproxy/preflight/catalogue.ts'
import {
  buildVerdict,
  type Check,
  type Finding,
} from '../../../../src/nodeproxy/preflight/verdict.ts'
import { failure, verdictWith } from '../../cli/verdicts.ts'

function checkOf(id: CheckId, checks: readonly Check[]): Check {
  const check = checks.find((candidate) => candidate.id === id)
  assert.ok(check)
  return check
}

test('the catalogue names each check once, and needs only what is asked before', () => {
  const seen = new Set<CheckId>()
  for (const { id, needs } of catalogue) {
    assert.ok(!seen.has(id), id)
    for (const need of needs) assert.ok(seen.has(need), `${id} needs ${need}, which is asked later`)
    seen.add(id)
  }
})

test('a required check that fails refuses the machine; an optional one takes features away', () => {
  const refused = verdictWith({ 'hook-sockops': failure('rejected') })
  assert.equal(refused.ok, false)
  assert.equal(checkOf('hook-sockops', refused.checks).status, 'fail')
  const less = verdictWith({ 'hook-sk-msg': failure('rejected') })
  assert.equal(less.ok, true)
  assert.equal(checkOf('hook-sk-msg', less.checks).status, 'warn')
  assert.equal(less.features.interception.on, true)
  assert.deepEqual(less.features.accelerateAuto.missing, ['hook-sk-msg'])
  assert.notEqual(less.features.accelerateAuto.cost, '')
})

test('a warning takes nothing away', () => {
  const finding: Finding = { status: 'warn', detail: '5.15 is untested', effect: 'e', fix: 'f' }
  const verdict = verdictWith({ kernel: finding })
  assert.equal(verdict.ok, true)
  assert.ok(Object.values(verdict.features).every((feature) => feature.on))
  const { effect, fix } = checkOf('kernel', verdict.checks)
  assert.deepEqual([effect, fix], ['e', 'f'])
})

test('acceleration is off where kernel TLS cannot be refused', () => {
  const { features } = verdictWith({ 'hook-setsockopt': failure('rejected') })
  assert.equal(features.accelerateAuto.on, false)
  assert.equal(features.accelerateFull.on, false)
  assert.equal(features.interception.on, true)
})

test('silence is a failure, unless something that the check needs is missing', () => {
  const silent = verdictWith({ btf: undefined })
  assert.equal(checkOf('btf', silent.checks).status, 'fail')
  assert.equal(silent.ok, false)
  const skipped = verdictWith({ addon: failure('not built'), btf: undefined })
  const btf = checkOf('btf', skipped.checks)
  assert.equal(btf.status, 'skip')
  assert.match(btf.detail, /needs addon$/)
  const { checks } = buildVerdict('6.1', new Map(), 'it was killed')
  assert.equal(checkOf('addon', checks).detail, 'it was killed')
})

test('a verdict is ok exactly when interception works, whatever was found', () => {
  const finding = fc.constantFrom<Finding | undefined>(
    { status: 'ok', detail: '' },
    { status: 'warn', detail: '' },
    { status: 'fail', detail: '' },
    undefined,
  )
  fc.assert(
    fc.property(
      fc.array(finding, { minLength: catalogue.length, maxLength: catalogue.length }),
      (list) => {
        const changes = Object.fromEntries(catalogue.map(({ id }, index) => [id, list[index]]))
        const { ok, checks, features } = verdictWith(changes)
        assert.equal(checks.length, catalogue.length)
        if (ok) assert.ok(features.interception.on)
        for (const check of checks) {
          assert.equal(check.status === 'ok', check.effect === '' && check.fix === '', check.id)
        }
      },
    ),
  )
})
