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
