import assert from 'node:assert/strict'
import fc from 'fast-check'
import { isClassDirectory, podUidOf } from '../../src/nodeproxy/agent/cgroup-names.ts'

const uid = fc.oneof(
  fc.uuid(),
  fc.uuid().map((text) => text.replaceAll('-', '')),
)
const qualityClass = fc.constantFrom('', 'burstable', 'besteffort')

/** Both drivers' names give the uid back; no other name makes it throw or is both pod and class. */
export const property = fc.property(uid, qualityClass, fc.string(), (id, quality, other) => {
  const parent = quality === '' ? 'kubepods' : `kubepods-${quality}`
  assert.equal(podUidOf(`pod${id}`), id)
  assert.equal(podUidOf(`${parent}-pod${id.replaceAll('-', '_')}.slice`), id)
  assert.ok(!(isClassDirectory(other) && podUidOf(other) !== undefined && !other.includes('pod')))
})
