import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { diffResources } from '../../../src/model/diff.ts'
import { sameData } from '../../../src/model/equal.ts'
import { type Resource, resourceName } from '../../../src/model/resources.ts'
import { resource, resources } from './arbitrary.ts'

function byName(all: readonly Resource[]): Map<string, Resource> {
  return new Map(all.map((each) => [resourceName(each), each]))
}

test('applied to the old set, a difference gives the new one', () => {
  fc.assert(
    fc.property(resources, resources, (before, after) => {
      const { upserts, removals } = diffResources(before, after)
      const held = byName(before)
      for (const name of removals) assert.ok(held.delete(name), `${name} was not there`)
      for (const each of upserts) held.set(resourceName(each), each)
      assert.deepEqual(held, byName(after))
    }),
  )
})

test('the order of the sets does not matter', () => {
  const shuffled = resources.chain((all) =>
    fc.tuple(fc.constant(all), fc.shuffledSubarray([...all], { minLength: all.length })),
  )
  fc.assert(
    fc.property(shuffled, shuffled, ([before, mixedBefore], [after, mixedAfter]) => {
      assert.deepEqual(diffResources(mixedBefore, mixedAfter), diffResources(before, after))
    }),
  )
})

test('only what has other content is in it', () => {
  fc.assert(
    fc.property(resources, (all) => {
      const copy = structuredClone(all)
      assert.deepEqual(diffResources(all, copy), { upserts: [], removals: [] })
    }),
  )
})

test('one name twice in a set is an error', () => {
  fc.assert(
    fc.property(resource, (each) => {
      assert.throws(
        () => diffResources([], [each, each]),
        /two resources are named .*: names must be unique/,
      )
    }),
  )
})

test('same data is what JSON would write alike, whatever the order of members', () => {
  const sorted = (value: unknown): string =>
    JSON.stringify(value, (_, member: unknown) =>
      typeof member === 'object' && member !== null && !Array.isArray(member)
        ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
        : member,
    )
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 3 }), fc.jsonValue({ maxDepth: 3 }), (a, b) => {
      assert.equal(sameData(a, b), sorted(a) === sorted(b))
      assert.ok(sameData(a, structuredClone(a)))
    }),
    { numRuns: 500 },
  )
  assert.ok(sameData({ a: 1, b: undefined }, { a: 1 }))
  assert.ok(sameData({ a: 1 }, { b: undefined, a: 1 }))
  assert.ok(!sameData({ a: undefined }, { b: 1 }))
  assert.ok(!sameData([], {}))
})
