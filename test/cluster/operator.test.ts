// The operator's replicas against a real API server, and nodes that show real tokens.
import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { pino } from 'pino'
import { partsCache } from '../../scripts/cluster/cache.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { KubeApi } from '../../src/operator/kube/api.ts'
import { grpcSource } from '../../src/nodeproxy/config/grpc-source.ts'
import type { ConfigStore } from '../../src/nodeproxy/config/interfaces.ts'
import { createStore } from '../../src/nodeproxy/config/store.ts'
import { systemClock } from '../../src/nodeproxy/config/system-clock.ts'
import { tokenReviewer } from '../../src/operator/identity/token-reviewer.ts'
import { type Operator, startOperator } from '../../src/operator/operator.ts'
import type { Condition } from '../../src/operator/status/conditions.ts'
import { type OperatorOptions, parseOperatorOptions } from '../../src/operator/options.ts'
import {
  annotate,
  boundToken,
  createNamespace,
  createPod,
  createService,
  createServiceAccount,
  meshConfigCrd,
} from './support/api-objects.ts'
import { type ApiServer, startApiServer } from './support/api-server.ts'
import { createOperatorAccount } from './support/operator-account.ts'

const own = 'sluice-system'
const account = 'sluice-nodeproxy'
const timeoutMs = 60_000
const log = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(line) })

let server: ApiServer
/** As the operator's account. */
let operatorApi: KubeApi
/** What the replicas warned of. */
const warnings: string[] = []
before(async () => {
  server = await startApiServer(partsCache().bin)
  await createNamespace(server.api, own)
  await createServiceAccount(server.api, own, account)
  operatorApi = server.apiWith(await createOperatorAccount(server.api, own))
  await createNamespace(server.api, 'shop', { 'sluice.dev/enroll': 'true' })
})
after(async () => server[Symbol.asyncDispose]())

function optionsFor(podName: string): OperatorOptions {
  return {
    ...parseOperatorOptions(['--namespace', own, '--pod-name', podName]),
    grpcAddress: '127.0.0.1:0',
    httpAddress: { host: '127.0.0.1', port: 0 },
  }
}

async function startReplica(podName: string): Promise<Operator> {
  const operator = await startOperator(optionsFor(podName), operatorApi, log)
  await waitFor(`${podName} to be ready`, () => operator.notReady === '', timeoutMs)
  return operator
}

/** A node with its token and the authority that the operators published. */
async function openNode(
  node: string,
  operators: () => Operator,
  says = node,
): Promise<ConfigStore> {
  const name = `proxy-${node}`
  const uid = await createPod(server.api, own, name, node, undefined, account)
  const tokenFile = join(server.folder, `token-${node}`)
  writeFileSync(tokenFile, await boundToken(server.api, own, account, { name, uid }))
  const path = `/api/v1/namespaces/${own}/configmaps/sluice-ca`
  const { data } = (await server.api.call({ path })) as { data: Record<string, string> }
  const caFile = join(server.folder, 'ca.crt')
  writeFileSync(caFile, data['ca.crt'] ?? '')
  return createStore({
    node: says,
    clock: systemClock,
    limits: { waitMs: timeoutMs },
    source: grpcSource({
      node: says,
      get address() {
        return `127.0.0.1:${operators().grpcPort}`
      },
      serverName: 'sluice-operator.sluice-system.svc',
      caFile,
      tokenFile,
      clock: systemClock,
      random: Math.random,
      firstRetryMs: 20,
      maxRetryMs: 200,
    }),
  })
}

async function metric(operator: Operator, name: string): Promise<string | undefined> {
  const page = await fetch(`http://127.0.0.1:${operator.httpPort}/metrics`)
  const line = (await page.text()).split('\n').find((one) => one.startsWith(name))
  return line?.split(' ').at(-1)
}

const until = async (what: string, condition: () => boolean | Promise<boolean>) =>
  waitFor(what, condition, timeoutMs)

test('a node is fed with what the cluster says, whichever replica serves it', async () => {
  const first = await startReplica('operator-a')
  await until('one to lead', async () => (await metric(first, 'sluice_operator_leading')) === '1')
  await using second = await startReplica('operator-b')
  let serving = first
  const store = await openNode('node1', () => serving)
  await until('the node to be fed', () => store.complete)

  const uid = await createPod(server.api, 'shop', 'web', 'node1', '10.0.1.7')
  await until('the pod to be enrolled', () => store.get(uid)?.enrolled === true)
  const endpoint = { ip: '10.0.1.7', node: 'node1', pod: 'web' }
  await createService(server.api, 'shop', 'web', '10.96.0.77', endpoint)
  await until('the service', async () => {
    const { state } = await store.resolve('10.96.0.77', 'test')
    return state === 'known'
  })
  const service = store.tables.service('shop/web.shop.svc.cluster.local')
  assert.equal(service?.endpoints[0]?.workload, 'Kubernetes/Pod/shop/web')
  await annotate(server.api, '/api/v1/namespaces/shop', { 'sluice.dev/enroll': null })
  await until('the pod to leave', () => store.get(uid)?.enrolled === false)

  const { version } = store.status()
  serving = second
  await first.stop()
  await until('the other to feed it', () => {
    const status = store.status()
    return status.connected && status.version !== version
  })
  await until('the other to lead', async () => {
    return (await metric(second, 'sluice_operator_leading')) === '1'
  })
  await annotate(server.api, '/api/v1/namespaces/shop', { 'sluice.dev/enroll': 'true' })
  await until('the pod to be back', () => store.get(uid)?.enrolled === true)

  server.pause()
  assert.deepEqual(store.resolve('10.96.0.77', 'test'), { state: 'known' })
  assert.deepEqual(await store.resolve('10.96.0.99', 'test'), { state: 'absent' })
  server.resume()
  await server.api.call({
    method: 'POST',
    path: '/api/v1/namespaces/shop/services',
    body: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'late' },
      spec: { clusterIP: '10.96.0.99', ports: [{ port: 80 }] },
    },
  })
  await until('what changed after it was back', () => {
    return store.tables.service('shop/late.shop.svc.cluster.local') !== undefined
  })
  await store.close()
})

test('a MeshConfig counts from when its CRD is there', async () => {
  await using operator = await startReplica('operator-c')
  const store = await openNode('node2', () => operator)
  await until('the node to be fed', () => store.complete)
  assert.equal(store.tables.settings?.outside, 'allow')
  await server.api.call({
    method: 'POST',
    path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    body: meshConfigCrd,
  })
  const path = '/apis/sluice.dev/v1alpha1/meshconfigs'
  const body = {
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { outside: 'refuse' },
  }
  await until('the new kind to be served', async () => {
    await server.api.call({ method: 'POST', path, body })
    return true
  })
  await until('the setting', () => store.tables.settings?.outside === 'refuse')
  const accepted = async (name: string) => {
    const { metadata, status } = (await server.api.call({ path: `${path}/${name}` })) as {
      readonly metadata: { readonly generation: number }
      readonly status?: { readonly conditions?: readonly Condition[] }
    }
    const [condition] = status?.conditions ?? []
    return condition?.observedGeneration === metadata.generation ? condition : undefined
  }
  await until('its condition', async () => (await accepted('mesh'))?.status === 'True')

  const contentType = 'application/merge-patch+json'
  const wrong = { spec: { outside: 'perhaps' } }
  await server.api.call({ method: 'PATCH', path: `${path}/mesh`, body: wrong, contentType })
  await until('the fault to be told', async () => (await accepted('mesh'))?.status === 'False')
  assert.match(
    (await accepted('mesh'))?.message ?? '',
    /spec\.outside is "perhaps".*stays in force/,
  )
  assert.equal(store.tables.settings?.outside, 'refuse')

  await server.api.call({
    method: 'POST',
    path,
    body: { ...body, metadata: { name: 'second' } },
  })
  await until(
    'the second to be refused',
    async () => (await accepted('second'))?.status === 'False',
  )
  await store.close()
})

test('what is wrong with an object is told on it, once, by who leads', async () => {
  await using first = await startReplica('operator-d')
  await using second = await startReplica('operator-e')
  assert.ok(first.grpcPort !== second.grpcPort)
  await createNamespace(server.api, 'faulty', { 'sluice.dev/enroll': 'of course' })
  await createPod(server.api, 'faulty', 'typo', 'node1', '10.0.9.1')
  await annotate(server.api, '/api/v1/namespaces/faulty/pods/typo', { 'sluice.dev/enrol': 'true' })
  const events = async (namespace: string, name: string) => {
    const { items } = (await server.api.call({
      path: `/api/v1/namespaces/${namespace}/events`,
      query: { fieldSelector: `involvedObject.name=${name}` },
    })) as { readonly items: readonly { readonly reason: string; readonly message: string }[] }
    return items.map(({ reason, message }) => `${reason}: ${message}`)
  }
  await until('both events', async () => {
    return (
      (await events('default', 'faulty')).length + (await events('faulty', 'typo')).length === 2
    )
  })
  const [refused = ''] = await events('default', 'faulty')
  assert.match(refused, /^SluiceRefused: metadata.annotations\[sluice.dev\/enroll\] is "of course"/)
  assert.match((await events('faulty', 'typo'))[0] ?? '', /^SluiceWarning: .*enrol\] is not known/)
})

test('who a token is for, whose it is and what it is bound to decides', async () => {
  const review = tokenReviewer({
    api: server.api,
    audience: 'sluice.dev',
    serviceAccount: `${own}/${account}`,
    badMs: 0,
    goodMs: 0,
  })
  const uid = await createPod(server.api, own, 'proxy-x', 'node9', undefined, account)
  const pod = { name: 'proxy-x', uid }
  const token = await boundToken(server.api, own, account, pod)
  const who = await review(token)
  assert.equal('node' in who ? who.node : who.error, 'node9')

  const errorOf = async (wrong: string) => {
    const refusal = await review(wrong)
    return 'error' in refusal ? refusal.error : 'let in'
  }
  const foreign = await boundToken(server.api, own, account, pod, 'https://other')
  assert.match(await errorOf(foreign), /audience/)
  assert.match(await errorOf(`${token.slice(0, -4)}AAAA`), /does not know the token/)
  assert.equal(await errorOf(signedAgain(token, 0)), 'let in')
  assert.match(await errorOf(signedAgain(token, -7_200)), /does not know the token|expired/)
  await createServiceAccount(server.api, 'shop', 'web')
  const other = await createPod(server.api, 'shop', 'other', 'node9', undefined, 'web')
  const theirs = await boundToken(server.api, 'shop', 'web', { name: 'other', uid: other })
  assert.match(await errorOf(theirs), /nodes run as service account/)

  await server.api.call({
    method: 'DELETE',
    path: `/api/v1/namespaces/${own}/pods/proxy-x`,
    query: { gracePeriodSeconds: '0' },
  })
  await until('the token to end with its pod', async () => (await errorOf(token)) !== 'let in')
})

/** The same claims for another time, signed by the API server's own key. */
function signedAgain(token: string, shiftSeconds: number): string {
  const [head = '', body = ''] = token.split('.')
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as {
    readonly iat: number
    readonly nbf: number
    readonly exp: number
  }
  const moved = {
    ...claims,
    iat: claims.iat + shiftSeconds,
    nbf: claims.nbf + shiftSeconds,
    exp: claims.exp + shiftSeconds,
  }
  const content = `${head}.${Buffer.from(JSON.stringify(moved)).toString('base64url')}`
  const key = readFileSync(join(server.folder, 'accounts.key'))
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`
}

test('a node that says it is another is refused, whatever it shows', async () => {
  await using operator = await startReplica('operator-f')
  const store = await openNode('node7', () => operator, 'node8')
  await until('its refusal', () => /node7/.test(store.status().reason))
  assert.equal(store.status().connected, false)
  assert.equal(store.complete, false)
  await store.close()
})

test('the rules of the operator’s account suffice', () => {
  assert.deepEqual(
    warnings.filter((line) => /forbidden/i.test(line)),
    [],
  )
})
