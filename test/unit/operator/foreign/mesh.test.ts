import assert from 'node:assert/strict'
import test from 'node:test'
import { type MeshFacts, meshStatus, readMesh } from '../../../../src/operator/foreign/mesh.ts'
import { createMeshWriter } from '../../../../src/operator/foreign/mesh-writer.ts'
import { KubeError, type KubeApi, type KubeRequest } from '../../../../src/operator/kube/api.ts'

const pending = {
  type: 'Accepted',
  status: 'Unknown',
  reason: 'Pending',
  message: 'Waiting for controller',
  lastTransitionTime: '1970-01-01T00:00:00Z',
}

function read(spec: object, status: object = { conditions: [pending] }): MeshFacts {
  const mesh = readMesh({
    metadata: { name: 'mesh', generation: 3, resourceVersion: '7' },
    spec: { controllerName: 'sluice.dev/mesh', ...spec },
    status,
  })
  assert.ok(mesh)
  return mesh
}

test('it is accepted, for the generation that was seen, with what there is', () => {
  const status = meshStatus(read({}), 'now')
  assert.deepEqual(status?.supportedFeatures, [{ name: 'Mesh' }])
  const [accepted] = status.conditions
  assert.deepEqual(
    [accepted?.type, accepted?.status, accepted?.reason, accepted?.observedGeneration],
    ['Accepted', 'True', 'Accepted', 3],
  )
  assert.equal(accepted?.lastTransitionTime, 'now')
})

test('parameters that nobody reads are a reason to refuse it, with the fix', () => {
  const status = meshStatus(
    read({ parametersRef: { group: '', kind: 'ConfigMap', namespace: 'a', name: 'b' } }),
    'now',
  )
  assert.equal(status?.conditions[0]?.reason, 'InvalidParameters')
  assert.match(status.conditions[0].message, /names ConfigMap a\/b, which is not read: leave it/)
})

test('what it says already is not written again, also beside conditions of others', () => {
  const { conditions = [], supportedFeatures = [] } = meshStatus(read({}), 'then') ?? {}
  const programmed = { ...pending, type: 'Programmed' }
  const now = read({}, { conditions: [programmed, ...conditions], supportedFeatures })
  assert.equal(meshStatus(now, 'now'), undefined)
})

test('the time is that of the last change of the status', () => {
  const { conditions = [] } = meshStatus(read({}), 'then') ?? {}
  const without = meshStatus(read({}, { conditions, supportedFeatures: [] }), 'now')
  assert.equal(without?.conditions[0]?.lastTransitionTime, 'then')
})

test('who has seen a newer generation is not written against', () => {
  const { conditions = [] } = meshStatus(read({}), 'then') ?? {}
  const newer = conditions.map((condition) => ({ ...condition, observedGeneration: 4 }))
  assert.equal(meshStatus(read({}, { conditions: newer }), 'now'), undefined)
})

function recording(answer: (request: KubeRequest) => unknown) {
  const requests: KubeRequest[] = []
  const api: KubeApi = {
    async call(request) {
      requests.push(request)
      return answer(request)
    },
    watch: async () => {},
  }
  return { requests, writer: createMeshWriter(api) }
}

test('an object is written once for each of its versions, whatever comes of it', async () => {
  const { requests, writer } = recording(() => ({ metadata: { resourceVersion: '8' } }))
  const mesh = read({})
  assert.equal(await writer.write([mesh]), 0)
  assert.equal(requests[0]?.path, '/apis/gateway.networking.x-k8s.io/v1alpha1/xmeshes/mesh/status')
  assert.equal(requests[0].contentType, 'application/apply-patch+yaml')
  // What came back is not as it was written: somebody else holds it, or a webhook does.
  await writer.write([{ ...mesh, resourceVersion: '8' }])
  assert.equal(requests.length, 1)
  await writer.write([{ ...mesh, resourceVersion: '9' }])
  assert.equal(requests.length, 2)
})

test('somebody who writes against it is not answered without end', async () => {
  let version = 10
  const { requests, writer } = recording(() => ({ metadata: { resourceVersion: '0' } }))
  let waitMs = 0
  for (let turn = 0; turn < 100; turn += 1) {
    version += 1
    waitMs = await writer.write([read({}), { ...read({}), resourceVersion: String(version) }])
  }
  assert.ok(requests.length < 10, String(requests.length))
  assert.ok(waitMs > 0)
})

test('one that is gone is no fault, and another failure is', async () => {
  const gone = recording(() => {
    throw new KubeError(404, 'gone')
  })
  assert.equal(await gone.writer.write([read({})]), 0)
  const forbidden = recording(() => {
    throw new KubeError(403, 'forbidden')
  })
  await assert.rejects(forbidden.writer.write([read({})]), /forbidden/)
})
