import assert from 'node:assert/strict'
import { globSync } from 'node:fs'
import test from 'node:test'
import fc from 'fast-check'
import { resourceName } from '../../../../src/model/resources.ts'
import { compile, defaultMesh } from '../../../../src/operator/compile/compile.ts'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'
import { formatProblem } from '../../../../src/operator/compile/problem.ts'
import { goldenFolder, readGolden } from '../golden-input.ts'

const files = globSync('*.in.yaml', { cwd: goldenFolder }).sort()

/** Everything in the golden inputs. */
function objectsOf(file: string): readonly unknown[] {
  return loadYaml(readGolden(file), file).objects
}

const all = files.flatMap(objectsOf)

test('the order of objects does not matter, but for which of two namesakes counts', () => {
  const some = files.filter((file) => !file.startsWith('contradictions')).map(objectsOf)
  const shuffled = fc
    .constantFrom(...some)
    .chain((one) =>
      fc.tuple(fc.constant(one), fc.shuffledSubarray([...one], { minLength: one.length })),
    )
  fc.assert(
    fc.property(shuffled, ([objects, mixed]) => {
      assert.deepEqual(compile(mixed).resources, compile(objects).resources)
    }),
  )
})

test('a resource that did not change is the same object as before, read anew or not', () => {
  const first = compile(all)
  for (const objects of [all, structuredClone(all)]) {
    const second = compile(objects, { previous: first })
    assert.equal(second.resources.length, first.resources.length)
    for (const [index, resource] of second.resources.entries()) {
      assert.equal(resource, first.resources[index])
    }
    assert.deepEqual(second.problems, compile(objects, { previous: first }).problems)
  }
})

test('objects that are known from before compile to what they compile to anew', () => {
  const some = fc.subarray([...all])
  fc.assert(
    fc.property(some, some, (before, after) => {
      const incremental = compile(after, { previous: { ...compile(before), inForce: new Map() } })
      assert.deepEqual(incremental.resources, compile(after).resources)
      assert.deepEqual(incremental.problems, compile(after).problems)
    }),
    { numRuns: 60 },
  )
})

test('inputs are left as they were', () => {
  const copy = structuredClone(all)
  compile(copy, { previous: compile(all) })
  assert.deepEqual(copy, all)
})

test('whatever comes in, it compiles, names are unique and problems are one line', () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  const broken = fc
    .tuple(fc.constantFrom(...all), fc.array(fc.tuple(fc.nat(), value), { maxLength: 3 }))
    .map(([object, changes]) => changes.reduce(replaceSomewhere, object))
  fc.assert(
    fc.property(fc.array(fc.oneof(broken, value), { maxLength: 8 }), (objects) => {
      const { resources, problems } = compile(objects)
      const names = resources.map(resourceName)
      assert.equal(new Set(names).size, names.length)
      assert.deepEqual(names, names.toSorted())
      for (const problem of problems)
        assert.match(formatProblem(problem), /^(error|warning): \S[^\n]*$/)
    }),
    { numRuns: 1500 },
  )
})

test('a kind of nothing but blanks is shown in quotes', () => {
  const { problems } = compile([{ apiVersion: 'v1', kind: ' ', metadata: { name: 'shop' } }])
  assert.match(problems.map(formatProblem).join(), /^warning: " " shop /)
})

/** Puts a value in the place of some member, at any depth. */
function replaceSomewhere(target: unknown, [seed, value]: [number, unknown]): unknown {
  if (typeof target !== 'object' || target === null || seed % 5 === 0) return value
  const keys = Object.keys(target)
  const key = keys[seed % Math.max(1, keys.length)]
  if (key === undefined) return value
  const member = (target as Record<string, unknown>)[key]
  const changed = replaceSomewhere(member, [Math.floor(seed / 7), value])
  if (Array.isArray(target)) return target.with(Number(key), changed)
  return { ...target, [key]: changed }
}

const namespace = (annotations: object) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'shop', annotations },
})
const pod = (annotations: object) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'shop', uid: 'u', annotations },
  spec: { nodeName: 'n' },
  status: { phase: 'Running', podIPs: [{ ip: '10.0.0.1' }] },
})

function enrolmentOf(result: ReturnType<typeof compile>) {
  const found = result.resources.find(({ type }) => type === 'enrolment')
  assert.ok(found?.type === 'enrolment')
  return found
}

test('a slip of the pen changes nothing until it is put right', () => {
  const good = compile([namespace({ 'sluice.dev/enroll': 'true' }), pod({})])
  assert.equal(enrolmentOf(good).enrolled, true)
  let bad = good
  for (const value of ['flase', 'True', '1', '']) {
    bad = compile([namespace({ 'sluice.dev/enroll': value }), pod({})], { previous: bad })
    assert.equal(enrolmentOf(bad).enrolled, true, value)
    assert.match(
      bad.problems.map(formatProblem).join(),
      /sluice\.dev\/enroll.*"true" stays in force/,
    )
  }
  const right = compile([namespace({ 'sluice.dev/enroll': 'false' }), pod({})], { previous: bad })
  assert.equal(enrolmentOf(right).enrolled, false)
  assert.deepEqual(right.problems, [])
})

test('a wrong value of which nobody knows what was before is for the node to decide', () => {
  const wrong = { 'sluice.dev/enroll': 'yes', 'sluice.dev/failure-mode': 'shut' }
  const atStart = compile([namespace(wrong), pod({})])
  assert.deepEqual(enrolmentOf(atStart).undecided, ['enrolled', 'failureMode'])
  assert.equal(enrolmentOf(atStart).enrolled, false)
  assert.match(atStart.problems.map(formatProblem).join(), /pods that their nodes know stay as/)
  const other = { ...wrong, 'sluice.dev/enroll': 'sure' }
  const still = compile([namespace(other), pod({})], { previous: atStart })
  assert.deepEqual(enrolmentOf(still).undecided, ['enrolled', 'failureMode'])
  const own = { 'sluice.dev/enroll': 'false', 'sluice.dev/failure-mode': 'open' }
  assert.equal(enrolmentOf(compile([namespace(wrong), pod(own)])).undecided, undefined)
  const unset = compile([namespace({}), pod({})], { previous: still })
  assert.equal(enrolmentOf(unset).undecided, undefined)
  const again = compile([namespace(wrong), pod({})], { previous: unset })
  assert.equal(enrolmentOf(again).undecided, undefined)
})

test("a pod's own wrong value is undecided, and else its namespace's holds", () => {
  const good = namespace({ 'sluice.dev/enroll': 'true' })
  const { enrolled, undecided } = enrolmentOf(compile([good, pod({ 'sluice.dev/enroll': 'no' })]))
  assert.deepEqual({ enrolled, undecided }, { enrolled: true, undecided: ['enrolled'] })
})

test('what was good of an object that is taken away does not come back', () => {
  const good = compile([namespace({ 'sluice.dev/enroll': 'true' }), pod({})])
  const without = compile([pod({})], { previous: good })
  assert.equal(enrolmentOf(without).enrolled, false)
  const bad = compile([namespace({ 'sluice.dev/enroll': 'yes' }), pod({})], { previous: without })
  assert.equal(enrolmentOf(bad).enrolled, false)
})

test('the mesh decides where nobody else does', () => {
  const mesh = { ...defaultMesh, acceleration: 'off', failureMode: 'closed' } as const
  const quiet = enrolmentOf(compile([pod({})], { mesh }))
  assert.equal(quiet.acceleration, 'off')
  assert.equal(quiet.failureMode, 'closed')
  const own = enrolmentOf(compile([pod({ 'sluice.dev/accelerate': 'full' })], { mesh }))
  assert.equal(own.acceleration, 'full')
})
