// Gateway API on a real API server: absent, there, gone again; and what is told on an XMesh.
import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import { pino } from 'pino'
import { partsCache } from '../../scripts/cluster/cache.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { ForeignKindRow } from '../../src/model/status.ts'
import type { KubeApi } from '../../src/operator/kube/api.ts'
import { type Operator, startOperator } from '../../src/operator/operator.ts'
import { parseOperatorOptions } from '../../src/operator/options.ts'
import type { ParentStatus } from '../../src/operator/compile/http/merge-status.ts'
import type { Condition } from '../../src/operator/status/conditions.ts'
import { createNamespace } from './support/api-objects.ts'
import { type ApiServer, startApiServer } from './support/api-server.ts'
import { httpRouteCrd, install, meshCrd, uninstall } from './support/foreign-crds.ts'
import { createOperatorAccount } from './support/operator-account.ts'

const own = 'sluice-system'
const timeoutMs = 120_000
const warnings: string[] = []
const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })
const meshes = '/apis/gateway.networking.x-k8s.io/v1alpha1/xmeshes'
const merge = 'application/merge-patch+json'

let server: ApiServer
let operatorApi: KubeApi
before(async () => {
  server = await startApiServer(partsCache().bin)
  await createNamespace(server.api, own)
  await createNamespace(server.api, 'shop')
  operatorApi = server.apiWith(await createOperatorAccount(server.api, own))
})
after(async () => server[Symbol.asyncDispose]())

async function startReplica(podName: string): Promise<Operator> {
  const options = {
    ...parseOperatorOptions(['--namespace', own, '--pod-name', podName]),
    grpcAddress: '127.0.0.1:0',
    httpAddress: { host: '127.0.0.1', port: 0 },
  }
  const operator = await startOperator(options, operatorApi, log)
  await until(`${podName} to be ready`, () => operator.notReady === '')
  return operator
}

const until = async (what: string, condition: () => boolean | Promise<boolean>) =>
  waitFor(what, condition, timeoutMs)

async function rowOf({ httpPort }: Operator, kind: string): Promise<ForeignKindRow | undefined> {
  const answer = await fetch(`http://127.0.0.1:${httpPort}/status/nodes`)
  const { foreign } = (await answer.json()) as { readonly foreign: readonly ForeignKindRow[] }
  return foreign.find((row) => row.kind === kind)
}

interface Mesh {
  readonly metadata: { readonly generation: number; readonly resourceVersion: string }
  readonly status: {
    readonly conditions: readonly Condition[]
    readonly supportedFeatures?: readonly { readonly name: string }[]
  }
}

const readMesh = async (name: string) =>
  (await server.api.call({ path: `${meshes}/${name}` })) as Mesh

const pendingCondition = {
  status: 'Unknown',
  reason: 'Pending',
  message: 'Waiting for controller',
  lastTransitionTime: '1970-01-01T00:00:00Z',
}

const accepted = ({ status }: Mesh) => status.conditions.find(({ type }) => type === 'Accepted')

test('HTTPRoute: absent, then followed, then gone, by one replica without a restart', async () => {
  await using operator = await startReplica('operator-a')
  const state = async () => (await rowOf(operator, 'HTTPRoute'))?.state
  await until('it to be known as absent', async () => (await state()) === 'absent')
  await install(server.api, httpRouteCrd(['v1beta1']))
  await until('the older version', async () => {
    return (await rowOf(operator, 'HTTPRoute'))?.version === 'v1beta1'
  })
  const routes = '/apis/gateway.networking.k8s.io/v1beta1/namespaces/shop/httproutes'
  const route = (name: string, parentRefs: readonly object[]) => ({
    apiVersion: 'gateway.networking.k8s.io/v1beta1',
    kind: 'HTTPRoute',
    metadata: { name },
    spec: { parentRefs },
  })
  await until('its objects to be served', async () => {
    const body = route('web', [{ group: '', kind: 'Service', name: 'web' }])
    await server.api.call({ method: 'POST', path: routes, body })
    return true
  })
  await server.api.call({ method: 'POST', path: routes, body: route('edge', [{ name: 'edge' }]) })
  await until('the route of a Service', async () => {
    return (await rowOf(operator, 'HTTPRoute'))?.objects === 1
  })
  const { names, bundle, channel } = (await rowOf(operator, 'HTTPRoute')) ?? {}
  assert.deepEqual([names, bundle, channel], [['shop/web'], 'v1.6.3', 'experimental'])
  const page = await (await fetch(`http://127.0.0.1:${operator.httpPort}/metrics`)).text()
  assert.match(page, /sluice_operator_foreign_info\{kind="HTTPRoute",version="v1beta1",.*\} 1/)
  assert.match(page, /sluice_operator_foreign_objects\{kind="HTTPRoute"\} 1/)
  await uninstall(server.api, 'httproutes.gateway.networking.k8s.io')
  await until('it to be gone', async () => (await state()) === 'absent')
  assert.equal((await rowOf(operator, 'HTTPRoute'))?.objects, 0)
})

interface Route {
  readonly metadata: { readonly generation: number; readonly resourceVersion: string }
  readonly status?: { readonly parents: readonly ParentStatus[] }
}

test('an HTTPRoute is told what came of it, beside what others tell', async () => {
  await using operator = await startReplica('operator-d')
  await install(server.api, httpRouteCrd(['v1']))
  const collection = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes'
  const parent = { group: '', kind: 'Service', name: 'web', port: 80 }
  const create = async (path: string, body: object) => {
    await server.api.call({ method: 'POST', path, body })
    return true
  }
  const createService = async (name: string) =>
    create('/api/v1/namespaces/shop/services', {
      metadata: { name },
      spec: { ports: [{ name: 'http', port: 80 }] },
    })
  const createRoute = async (name: string, backend: string) => {
    const apiVersion = 'gateway.networking.k8s.io/v1'
    const rules = [{ backendRefs: [{ name: backend, port: 80 }] }]
    const spec = { parentRefs: [{ name: 'edge' }, parent], rules }
    return create(collection, { apiVersion, kind: 'HTTPRoute', metadata: { name }, spec })
  }
  const patch = async (path: string, body: object) =>
    server.api.call({ method: 'PATCH', path, body, contentType: merge })
  const read = async (name: string) =>
    (await server.api.call({ path: `${collection}/${name}` })) as Route
  const own = ({ status }: Route) =>
    status?.parents.filter(({ controllerName }) => controllerName === 'sluice.dev/mesh') ?? []
  const told = async (name: string, type: string) =>
    own(await read(name))[0]?.conditions.find((one) => one.type === type)

  await createService('web')
  await until('the kind to be served', async () => createRoute('web', 'web-v2'))
  const seen = { ...pendingCondition, type: 'Accepted', observedGeneration: 1 }
  const theirs = {
    parentRef: { name: 'edge' },
    controllerName: 'example.com/gateway',
    conditions: [seen],
  }
  await until('its missing backend to be told', async () => {
    return (await told('web', 'ResolvedRefs'))?.reason === 'BackendNotFound'
  })
  await patch(`${collection}/web/status`, {
    status: { parents: [theirs, ...own(await read('web'))] },
  })
  await createService('web-v2')
  await until('the backend to be found', async () => {
    return (await told('web', 'ResolvedRefs'))?.status === 'True'
  })
  const found = await read('web')
  assert.deepEqual(found.status?.parents[0], theirs)
  assert.equal(own(found).length, 1)
  assert.deepEqual(own(found)[0]?.parentRef, parent)
  assert.equal((await told('web', 'Accepted'))?.status, 'True')
  assert.equal((await told('web', 'sluice.dev/Live'))?.reason, 'NotUsed')

  const parentRefs = [{ name: 'edge' }, { ...parent, port: 81 }]
  await patch(`${collection}/web`, { spec: { parentRefs } })
  const { metadata } = await read('web')
  assert.equal(metadata.generation, 2)
  await until('the other generation', async () => {
    const accepted = await told('web', 'Accepted')
    return accepted?.reason === 'NoMatchingParent' && accepted.observedGeneration === 2
  })
  // It is quiet: what changes elsewhere makes no write on it.
  const { resourceVersion } = (await read('web')).metadata
  for (const name of ['a', 'b', 'c']) {
    await createRoute(name, 'web')
    await until('the next one', async () => (await told(name, 'Accepted'))?.status === 'True')
  }
  assert.equal((await read('web')).metadata.resourceVersion, resourceVersion)
  // Without a Service among its parents it is others' alone.
  await patch(`${collection}/web`, { spec: { parentRefs: [{ name: 'edge' }] } })
  await until('our entry to be gone', async () => own(await read('web')).length === 0)
  assert.deepEqual((await read('web')).status?.parents, [theirs])
  assert.equal((await rowOf(operator, 'HTTPRoute'))?.objects, 3)
})

test('an XMesh of ours is told what Sluice can, and nothing of others is touched', async () => {
  await using first = await startReplica('operator-b')
  await using second = await startReplica('operator-c')
  assert.notEqual(first.httpPort, second.httpPort)
  await install(server.api, meshCrd)
  const create = async (name: string, spec: object) => {
    const apiVersion = 'gateway.networking.x-k8s.io/v1alpha1'
    const body = { apiVersion, kind: 'XMesh', metadata: { name }, spec }
    await server.api.call({ method: 'POST', path: meshes, body })
    return true
  }
  await until('the kind to be served', async () => {
    return create('theirs', { controllerName: 'example.com/mesh' })
  })
  await create('ours', { controllerName: 'sluice.dev/mesh' })
  await until('it to be accepted', async () => accepted(await readMesh('ours'))?.status === 'True')
  const mesh = await readMesh('ours')
  assert.equal(accepted(mesh)?.observedGeneration, mesh.metadata.generation)
  assert.deepEqual(mesh.status.supportedFeatures, [{ name: 'Mesh' }])

  // Another writer's condition stays, and what another one made of ours is put right.
  const foreign = { ...accepted(mesh), type: 'example.com/Audited', reason: 'Seen' }
  const wrong = { ...accepted(mesh), status: 'False', reason: 'Whatever' }
  await server.api.call({
    method: 'PATCH',
    path: `${meshes}/ours/status`,
    body: { status: { conditions: [foreign, wrong] } },
    contentType: merge,
  })
  await until(
    'ours to be put right',
    async () => accepted(await readMesh('ours'))?.status === 'True',
  )
  const beside = (await readMesh('ours')).status.conditions
  assert.deepEqual(beside.map(({ type }) => type).sort(), ['Accepted', 'example.com/Audited'])

  const parametersRef = { group: '', kind: 'ConfigMap', name: 'settings' }
  await server.api.call({
    method: 'PATCH',
    path: `${meshes}/ours`,
    body: { spec: { parametersRef } },
    contentType: merge,
  })
  await until('the parameters to be refused', async () => {
    return accepted(await readMesh('ours'))?.reason === 'InvalidParameters'
  })
  const refused = await readMesh('ours')
  assert.equal(accepted(refused)?.observedGeneration, refused.metadata.generation)

  // It is quiet: changes of others make no write of ours, by none of the replicas.
  const { resourceVersion } = refused.metadata
  for (const turn of ['a', 'b', 'c']) {
    await create(`ours-${turn}`, { controllerName: 'sluice.dev/mesh' })
    await until('the next one', async () => {
      return accepted(await readMesh(`ours-${turn}`))?.status === 'True'
    })
  }
  assert.equal((await readMesh('ours')).metadata.resourceVersion, resourceVersion)
  const theirs = await readMesh('theirs')
  assert.equal(accepted(theirs)?.status, 'Unknown')
  assert.equal(theirs.status.supportedFeatures, undefined)
})

test('the rules of the operator’s account suffice', () => {
  assert.deepEqual(
    warnings.filter((line) => /forbidden/i.test(line)),
    [],
  )
})
