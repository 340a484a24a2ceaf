import assert from 'node:assert/strict'
import test from 'node:test'
import { waitFor } from '../../../../src/lab/process/wait.ts'
import type { KubeApi } from '../../../../src/operator/kube/api.ts'
import type { ObjectVersion } from '../../../../src/operator/kube/sources.ts'
import { startStatusWriter } from '../../../../src/operator/status/status-writer.ts'

/** One MeshConfig, as the API server has it. */
function oneObject() {
  const object: { status: object } = { status: {} }
  let reads = 0
  const api: KubeApi = {
    async call({ method = 'GET', body }) {
      if (method === 'GET') reads += 1
      else Object.assign(object, body)
      return object
    },
    watch: () => Promise.reject(new Error('nothing is watched')),
  }
  return { api, object, reads: () => reads }
}

test('a MeshConfig that is made again under its name gets its condition at once', async (t) => {
  const { api, object, reads } = oneObject()
  const versions = new Map<string, ObjectVersion>([['mesh', { uid: 'first', generation: 1 }]])
  const writer = startStatusWriter({
    api,
    podName: 'operator-0',
    problems: () => [],
    meshConfigs: () => versions,
    meshes: () => [],
    routes: () => ({
      version: '',
      objects: new Map(),
      statuses: new Map(),
      spreadOf: () => ({ nodes: 0, live: 0 }),
    }),
  })
  t.after(() => writer.stop())
  const hasCondition = () => 'conditions' in object.status
  writer.lead(true)
  await waitFor('a condition on the first', hasCondition)
  assert.equal(reads(), 1)

  object.status = {}
  versions.set('mesh', { uid: 'second', generation: 1 })
  writer.changed()
  await waitFor('a condition on the second', hasCondition)
  assert.equal(reads(), 2)
})
