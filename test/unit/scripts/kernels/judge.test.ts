import assert from 'node:assert/strict'
import test from 'node:test'
import { parseGuestMessage, type TestMessage } from '../../../../scripts/kernels/guest-message.ts'
import { findWarnings, judge } from '../../../../scripts/kernels/judge.ts'
import { findSeries } from '../../../../scripts/kernels/series.ts'
import type { Session } from '../../../../scripts/kernels/session.ts'
import { type ChosenTests, shortForm } from '../../../../scripts/kernels/short-form.ts'
import { failure, verdictWith } from '../../cli/verdicts.ts'

const pass: TestMessage = {
  kind: 'test',
  outcome: 'pass',
  file: 'test/kernel/a.test.ts',
  name: 'a',
  durationMs: 1,
  message: '',
}

function session(changes: Partial<Session>): Session {
  return {
    preflight: { kind: 'preflight', status: 0, verdict: verdictWith({}), stderr: '' },
    tests: [pass],
    log: ['sluice: something harmless'],
    output: [],
    booted: true,
    trouble: undefined,
    tookMs: 1,
    ...changes,
  }
}

const refusal = verdictWith({ kernel: failure('5.10.0 is older than 5.15: because') })
const supported = findSeries('6.1')
const refused = findSeries('5.10')

function problemsOf(
  changes: Partial<Session>,
  series = supported,
  chosen: readonly ChosenTests[] = [],
): readonly string[] {
  const { ok, problems } = judge(series, session(changes), chosen)
  assert.equal(ok, problems.length === 0)
  return problems
}

test('a kernel is good when preflight, tests and log are', () => {
  assert.deepEqual(problemsOf({}), [])
})

test('each of them can spoil it', () => {
  const broken = { ...pass, outcome: 'fail' as const, message: 'no' }
  assert.match(problemsOf({ tests: [pass, broken] })[0] ?? '', /a\.test\.ts: a: no/)
  assert.match(problemsOf({ tests: [] })[0] ?? '', /no test passed/)
  assert.match(problemsOf({ log: undefined })[0] ?? '', /log could not be read/)
  assert.match(
    problemsOf({ log: ['[ 1.0] WARNING: CPU: 0 PID: 1 at net/x.c'] })[0] ?? '',
    /^kernel:/,
  )
  assert.match(problemsOf({ trouble: 'stopped after 30 minutes' })[0] ?? '', /stopped/)
  assert.match(problemsOf({ preflight: undefined })[0] ?? '', /preflight said nothing/)
  const lying = { kind: 'preflight' as const, status: 1, verdict: verdictWith({}), stderr: '' }
  assert.match(problemsOf({ preflight: lying })[0] ?? '', /exited with 1 while ok is true/)
})

test('a feature that is off on a tested kernel is a problem', () => {
  const verdict = verdictWith({ accounting: failure('0 bytes') })
  const preflight = { kind: 'preflight' as const, status: 0, verdict, stderr: '' }
  const problems = problemsOf({ preflight })
  assert.ok(problems.includes('preflight: accounting: 0 bytes'))
  assert.ok(problems.some((text) => /off: accelerateAuto, accelerateFull/.test(text)))
})

test('a skip is a problem unless the kernel is its reason', () => {
  const skip = { ...pass, outcome: 'skip' as const }
  assert.deepEqual(problemsOf({ tests: [pass, { ...skip, message: 'kernel: no MPTCP' }] }), [])
  assert.match(
    problemsOf({ tests: [pass, { ...skip, message: 'no python3' }] })[0] ?? '',
    /skipped/,
  )
})

test('a chosen test that was not heard of is a problem', () => {
  const { file, name } = pass
  assert.deepEqual(problemsOf({}, supported, [{ file, tests: [name] }]), [])
  assert.deepEqual(problemsOf({}, supported, [{ file, tests: [name, 'b'] }]), [
    `${file}: b: did not run`,
  ])
})

test('the short form names no test twice', () => {
  const names = shortForm.flatMap(({ tests }) => tests)
  assert.equal(new Set(names).size, names.length)
})

test('a kernel below the floor must be refused, with the reason', () => {
  const preflight = { kind: 'preflight' as const, status: 1, verdict: refusal, stderr: '' }
  assert.deepEqual(problemsOf({ preflight, tests: [] }, refused), [])
  assert.match(problemsOf({ tests: [] }, refused)[0] ?? '', /did not refuse/)
})

test('only what a kernel says in trouble is a warning', () => {
  const bad = [
    'memcpy: detected field-spanning write (size 4) of single field',
    'BUG: kernel NULL pointer dereference',
    'Oops: 0002 [#1]',
    'refcount_t: underflow; use-after-free.',
    'INFO: task node:12 blocked for more than 120 seconds.',
  ]
  const good = [
    'TCP: request_sock_TCP: Possible SYN flooding',
    'veth0: renamed from tmp',
    'audit: x',
  ]
  assert.deepEqual(findWarnings([...good, ...bad]), bad)
})

test('lines of a guest are read, also behind noise; others are not', () => {
  assert.deepEqual(parseGuestMessage('{"kind":"booted"}'), { kind: 'booted' })
  assert.deepEqual(parseGuestMessage('\u0000x{"kind":"ended","status":0}'), {
    kind: 'ended',
    status: 0,
  })
  assert.equal(parseGuestMessage('{"kind":"bo'), undefined)
  assert.equal(parseGuestMessage('Linux version 6.1'), undefined)
})
