// APIs that come, go and change while the operator runs, over real HTTP.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { ForeignKindRow } from '../../../../src/model/status.ts'
import type { KeptRoute } from '../../../../src/operator/foreign/http-route.ts'
import { startForeignApis } from '../../../../src/operator/foreign/foreign-apis.ts'
import { eventually } from '../../nodeproxy/config/grpc-support.ts'
import { type FakeApiServer, type FakeObject, startFakeApiServer } from '../kube/fake-api-server.ts'

const crds = 'customresourcedefinitions'
const routes = 'httproutes.gateway.networking.k8s.io'
const meshCrd = 'xmeshes.gateway.networking.x-k8s.io'

function crd(name: string, served: readonly string[], established = true): FakeObject {
  const annotations = {
    'gateway.networking.k8s.io/bundle-version': 'v1.6.3',
    'gateway.networking.k8s.io/channel': 'experimental',
  }
  return {
    metadata: { name, annotations },
    spec: {
      versions: [
        { name: 'v0', served: false },
        ...served.map((version) => ({ name: version, served: true })),
      ],
    },
    status: {
      conditions: [
        { type: 'NamesAccepted', status: 'True' },
        { type: 'Established', status: established ? 'True' : 'False' },
      ],
    },
  }
}

function route(name: string, parentRefs: readonly object[]): FakeObject {
  return { metadata: { namespace: 'shop', name }, spec: { parentRefs } }
}

async function follow(t: TestContext, prepare: (server: FakeApiServer) => void = () => {}) {
  const server = await startFakeApiServer(t)
  prepare(server)
  const errors: string[] = []
  let told = 0
  const kept = new Map<string, KeptRoute>()
  const apis = startForeignApis({
    api: server.api,
    random: () => 0,
    firstRetryMs: 5,
    absentRetryMs: 5,
    onError: (kind, error) => void errors.push(`${kind}: ${error.message}`),
    onMeshes: () => void (told += 1),
    onHttpRoute(key, route) {
      if (route === undefined) kept.delete(key)
      else kept.set(key, route)
    },
    onHttpRoutes: () => {},
  })
  t.after(() => apis.stop())
  const row = (kind: string): ForeignKindRow => {
    const found = apis.rows().find((one) => one.kind === kind)
    assert.ok(found)
    return found
  }
  return { server, apis, row, errors, kept, told: () => told }
}

const asked = ({ asked }: FakeApiServer, collection: string) =>
  asked.filter((line) => line.startsWith(`${collection} `))

test('where there is no CRD its objects are never asked for', async (t) => {
  const { server, apis, row, errors } = await follow(t)
  await eventually(() => apis.rows().every(({ state }) => state === 'absent'))
  await eventually(() => server.watchers === apis.rows().length)
  assert.equal(apis.reflectors.get('HTTPRoute')?.absent, true)
  assert.equal(row('HTTPRoute').version, '')
  assert.deepEqual(new Set(server.asked.map((line) => line.split(' ')[0])), new Set([crds]))
  assert.deepEqual(errors, [])
})

test('an API that comes is followed, and one that goes is not', async (t) => {
  const { server, row, apis, errors } = await follow(t)
  await eventually(() => row('HTTPRoute').state === 'absent')
  server.put(crds, crd(routes, ['v1', 'v1beta1'], false))
  await eventually(() => row('HTTPRoute').state === 'unusable')
  assert.deepEqual(asked(server, 'httproutes'), [])
  server.put(crds, crd(routes, ['v1', 'v1beta1']))
  await eventually(() => row('HTTPRoute').state === 'followed')
  const { version, bundle, channel, served } = row('HTTPRoute')
  assert.deepEqual([version, bundle, channel], ['v1', 'v1.6.3', 'experimental'])
  assert.deepEqual(served, ['v1', 'v1beta1'])
  await eventually(() => apis.reflectors.get('HTTPRoute')?.synced === true)
  server.put('httproutes', route('web', [{ group: '', kind: 'Service', name: 'web' }]))
  await eventually(() => row('HTTPRoute').objects === 1)
  assert.deepEqual(row('HTTPRoute').names, ['shop/web'])

  server.remove(crds, '', routes)
  await eventually(() => row('HTTPRoute').state === 'absent')
  assert.equal(row('HTTPRoute').objects, 0)
  const watchers = apis.rows().length
  await eventually(() => server.watchers === watchers)
  const before = asked(server, 'httproutes').length
  server.put(crds, crd(routes, ['v1']))
  await eventually(() => row('HTTPRoute').objects === 1)
  assert.ok(asked(server, 'httproutes').length > before)
  // What was counted of the follower before counts on.
  assert.ok((apis.reflectors.get('HTTPRoute')?.counts.lists ?? 0) >= 3)
  assert.deepEqual(errors, [])
})

test('an older one is followed in its version, and one that is too old is not', async (t) => {
  const { server, row } = await follow(t, (fresh) => {
    fresh.put(crds, crd(routes, ['v1alpha2']))
    fresh.put('httproutes', route('web', [{ group: '', kind: 'Service', name: 'web' }]))
  })
  await eventually(() => row('HTTPRoute').state === 'unusable')
  assert.deepEqual(row('HTTPRoute').served, ['v1alpha2'])
  server.put(crds, crd(routes, ['v1alpha2', 'v1beta1']))
  await eventually(() => row('HTTPRoute').version === 'v1beta1' && row('HTTPRoute').objects === 1)
  server.put(crds, crd(routes, ['v1beta1', 'v1']))
  await eventually(() => row('HTTPRoute').version === 'v1' && row('HTTPRoute').objects === 1)
  server.put(crds, crd(routes, []))
  await eventually(() => row('HTTPRoute').state === 'unusable')
  assert.equal(row('HTTPRoute').objects, 0)
})

test('of routes those with a Service as parent count, by either name of its group', async (t) => {
  const { server, row } = await follow(t, (fresh) => {
    fresh.put(crds, crd(routes, ['v1']))
    fresh.put('httproutes', route('gateway', [{ name: 'web' }]))
    fresh.put('httproutes', route('none', []))
    fresh.put('httproutes', route('other', [{ group: 'x.io', kind: 'Service', name: 'web' }]))
    fresh.put('httproutes', route('defaulted', [{ kind: 'Service', name: 'web' }]))
    fresh.put('httproutes', route('core', [{ group: 'core', kind: 'Service', name: 'web' }]))
    fresh.put(
      'httproutes',
      route('both', [{ name: 'edge' }, { group: '', kind: 'Service', name: 'web' }]),
    )
  })
  await eventually(() => row('HTTPRoute').objects === 2)
  assert.deepEqual(row('HTTPRoute').names, ['shop/both', 'shop/core'])
  server.put('httproutes', route('both', [{ name: 'edge' }]))
  server.remove('httproutes', 'shop', 'core')
  await eventually(() => row('HTTPRoute').objects === 0)
})

test('each HTTPRoute is told as it comes, changes and goes, also with its kind', async (t) => {
  const service = [{ group: '', kind: 'Service', name: 'web' }]
  const { server, row, kept } = await follow(t, (fresh) => {
    fresh.put(crds, crd(routes, ['v1', 'v1beta1']))
    fresh.put('httproutes', route('web', service))
    fresh.put('httproutes', route('shop', service))
  })
  await eventually(() => kept.size === 2)
  const before = kept.get('shop/web')
  server.put('httproutes', { ...route('web', service), status: { parents: [] } })
  await eventually(() => kept.get('shop/web') !== before)
  server.put('httproutes', route('shop', [{ name: 'edge' }]))
  await eventually(() => kept.size === 1)
  // What Sluice has told of it before is still to be taken back.
  const own = { parentRef: service[0], controllerName: 'sluice.dev/mesh', conditions: [] }
  server.put('httproutes', { ...route('shop', [{ name: 'edge' }]), status: { parents: [own] } })
  await eventually(() => kept.get('shop/shop')?.parents.length === 1)
  // Another list, in which one is missing.
  server.remove('httproutes', 'shop', 'shop')
  server.compact()
  server.cut('httproutes', 'reset')
  await eventually(() => kept.size === 1)
  server.put(crds, crd(routes, []))
  await eventually(() => row('HTTPRoute').state === 'unusable' && kept.size === 0)
})

test('XMeshes of another controller are none of ours', async (t) => {
  const mesh = (name: string, controllerName: string) => ({
    metadata: { name, generation: 2 },
    spec: { controllerName },
  })
  const { server, apis, told } = await follow(t, (fresh) => {
    fresh.put(crds, crd(meshCrd, ['v1alpha1']))
    fresh.put('xmeshes', mesh('ours', 'sluice.dev/mesh'))
    fresh.put('xmeshes', mesh('theirs', 'example.com/mesh'))
  })
  await eventually(() => apis.meshes.length === 1)
  assert.deepEqual(
    apis.meshes.map(({ name, generation }) => [name, generation]),
    [['ours', 2]],
  )
  const before = told()
  server.put('xmeshes', mesh('more', 'sluice.dev/mesh'))
  await eventually(() => apis.meshes.length === 2 && told() > before)
})

test('rights that are missing are told, and what was known stays', async (t) => {
  const { server, row, errors } = await follow(t, (fresh) => fresh.fail(403, 12))
  await eventually(() => errors.some((error) => error.includes('403')))
  await eventually(() => row('HTTPRoute').state === 'absent' && row('HTTPRoute').error === '')
  server.put(crds, crd(routes, ['v1']))
  await eventually(() => row('HTTPRoute').state === 'followed')
})
