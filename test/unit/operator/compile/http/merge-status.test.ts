import assert from 'node:assert/strict'
import test from 'node:test'
import type { RouteParentStatus } from '../../../../../src/operator/compile/http/compile-routes.ts'
import {
  mergeParentStatus,
  type ParentStatus,
} from '../../../../../src/operator/compile/http/merge-status.ts'

const web = { group: '', kind: 'Service', name: 'web' }
const edge = { name: 'edge', sectionName: 'https' }
const ours = 'sluice.dev/mesh'

function parent(parentRef: object, status: 'True' | 'False' = 'True'): RouteParentStatus {
  return {
    parentRef,
    conditions: [{ type: 'Accepted', status, reason: 'Accepted', message: 'it is attached' }],
  }
}

function merge(
  before: readonly ParentStatus[],
  parents: readonly RouteParentStatus[],
  { generation = 2, now = 'now' } = {},
) {
  return mergeParentStatus(before, { generation, parents }, ours, now)
}

const gateway: ParentStatus = {
  parentRef: edge,
  controllerName: 'example.com/gateway',
  conditions: [],
}

test('the parent is said back as it was written, with the generation that was seen', () => {
  const core = { ...web, group: 'core' }
  const [entry] = merge([], [parent(core)]) ?? []
  assert.deepEqual(entry?.parentRef, core)
  assert.equal(entry?.controllerName, ours)
  assert.equal(entry?.conditions[0]?.observedGeneration, 2)
})

test('what others wrote stays, also for the same parent', () => {
  const other = { ...gateway, parentRef: web }
  const merged = merge([other, gateway], [parent(web)]) ?? []
  assert.deepEqual(merged.slice(0, 2), [other, gateway])
  assert.equal(merged.length, 3)
})

test('what is so already is not written, in whatever order', () => {
  const merged = merge([gateway], [parent(web), parent(edge)]) ?? []
  assert.equal(merge(merged, [parent(web), parent(edge)], { now: 'later' }), undefined)
  assert.equal(merge(merged.toReversed(), [parent(edge), parent(web)]), undefined)
  assert.notEqual(merge(merged, [parent(web)]), undefined)
})

test('an entry for a parent that it has no more goes, and those of others do not', () => {
  const merged = merge([gateway], [parent(web)]) ?? []
  assert.deepEqual(merge(merged, []), [gateway])
  assert.equal(merge([gateway], []), undefined)
})

test('the time of a condition is that of its last change of status', () => {
  const first = merge([], [parent(web)], { now: 't1' }) ?? []
  const second = merge(first, [parent(web)], { generation: 3, now: 't2' }) ?? []
  assert.equal(second[0]?.conditions[0]?.lastTransitionTime, 't1')
  const third = merge(second, [parent(web, 'False')], { generation: 3, now: 't3' }) ?? []
  assert.equal(third[0]?.conditions[0]?.lastTransitionTime, 't3')
})

test('who has told of a newer generation is not written against', () => {
  const newer = merge([], [parent(web)], { generation: 5 }) ?? []
  assert.equal(merge(newer, [parent(web, 'False')], { generation: 4 }), undefined)
})

test('a condition of another type in our entry stays', () => {
  const [entry] = merge([], [parent(web)]) ?? []
  assert.ok(entry)
  const live = { ...entry.conditions[0], type: 'example.com/Seen' } as ParentStatus['conditions'][0]
  const before = [{ ...entry, conditions: [...entry.conditions, live] }]
  const merged = merge(before, [parent(web, 'False')]) ?? []
  assert.deepEqual(
    merged[0]?.conditions.map(({ type }) => type),
    ['Accepted', 'example.com/Seen'],
  )
})
