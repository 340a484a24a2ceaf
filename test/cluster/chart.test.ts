// The Helm chart without a cluster: what it renders, what it refuses, and what an API server says
// to it.
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test, { after, before } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { partsCache } from '../../scripts/cluster/cache.ts'
import { run, tryCommand } from '../../scripts/command.ts'
import { readPackage } from '../../scripts/image/contents.ts'
import { root } from '../../scripts/tools.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { isStatus, type KubeApi } from '../../src/operator/kube/api.ts'
import { createNamespace } from './support/api-objects.ts'
import { type ApiServer, startApiServer } from './support/api-server.ts'
import { clusterRules, ownRules } from './support/operator-account.ts'

const chart = join(root, 'deploy/daemonset')
const golden = join(root, 'test/golden/chart')
const namespace = 'sluice-system'
const { bin } = partsCache()
const helm = (...args: readonly string[]) => [join(bin, 'helm'), ...args]
const rendering = ['template', 'sluice', chart, '--namespace', namespace]

let server: ApiServer
before(async () => {
  server = await startApiServer(bin)
  await createNamespace(server.api, namespace)
})
after(async () => server[Symbol.asyncDispose]())

interface Rendered {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Record<string, string> }
  readonly [field: string]: unknown
}

function objectsOf(text: string): readonly Rendered[] {
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Rendered | null) ?? [])
}

async function render(...args: readonly string[]): Promise<readonly Rendered[]> {
  return objectsOf(await run(helm(...rendering, ...args)))
}

test('helm finds nothing to complain of', async () => {
  const said = await run(helm('lint', chart, '--strict'))
  assert.match(said, /0 chart\(s\) failed/)
})

test('the chart is of the version that the project is', () => {
  const { version, appVersion } = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as {
    readonly version: string
    readonly appVersion: string
  }
  const project = readPackage().version
  assert.deepEqual([version, appVersion], [project, project])
})

for (const values of globSync(join(golden, '*.values.yaml')).sort()) {
  const name = basename(values, '.values.yaml')
  test(`golden: ${name}`, async () => {
    const out = await run(helm(...rendering, '--values', values))
    const file = join(golden, `${name}.out.yaml`)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, out)
    assert.ok(existsSync(file), `${file} is missing: UPDATE_GOLDEN=1 writes it`)
    assert.equal(out, readFileSync(file, 'utf8'))
  })
}

const wrong: Readonly<Record<string, readonly [value: string, complaint: RegExp]>> = {
  'a field that there is not': ['nodeproxy.hostNetwork=true', /hostNetwork.*not allowed/],
  'a wrong type': ['operator.replicas=two', /replicas.*got string, want integer/],
  'out of range': ['operator.replicas=0', /replicas.*minimum/],
  'not one of the words': ['nodeproxy.logLevel=loud', /logLevel.*must be one of/],
  'no name of a domain': ['trustDomain=Cluster_Local', /trustDomain.*does not match pattern/],
  'a relative path': ['nodeproxy.kubepods=kubepods', /kubepods.*does not match pattern/],
}
for (const [what, [value, complaint]] of Object.entries(wrong)) {
  test(`refused: ${what}`, async () => {
    const { status, stderr } = await tryCommand(helm(...rendering, '--set', value))
    assert.notEqual(status, 0)
    assert.match(stderr, complaint)
  })
}

test('the account of the DaemonSet has no rule, and no token of the API server', async () => {
  const objects = await render()
  const bound = objects
    .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
    .flatMap(({ subjects }) => subjects as readonly { readonly name: string }[])
  assert.deepEqual([...new Set(bound.map(({ name }) => name))].sort(), [
    'sluice-operator',
    'sluice-uninstall',
  ])
  const set = objects.find(({ kind }) => kind === 'DaemonSet')
  assert.ok(set)
  const { template } = set['spec'] as { template: { spec: Record<string, unknown> } }
  assert.equal(template.spec['automountServiceAccountToken'], false)
  for (const field of ['hostNetwork', 'hostIPC']) assert.equal(template.spec[field], undefined)
  assert.doesNotMatch(JSON.stringify(template), /hostPort|privileged/)
})

test('the operator may do what its tests run with, and no more', async () => {
  const objects = await render('--kube-version', '1.31.0')
  const rules = (kind: string) =>
    objects.find((one) => one.kind === kind && one.metadata.name === 'sluice-operator')?.['rules']
  assert.deepEqual(rules('ClusterRole'), clusterRules)
  assert.deepEqual(rules('Role'), ownRules)
})

test('it may change nodes where it removes their start-up taint, and there alone', async () => {
  const objects = await render('--set', 'startUpTaint.enabled=true')
  const role = objects.find(
    ({ kind, metadata }) => kind === 'ClusterRole' && metadata.name === 'sluice-operator',
  )
  const more = { apiGroups: [''], resources: ['nodes'], verbs: ['get', 'patch'] }
  assert.deepEqual(role?.['rules'], [...clusterRules, more])
  assert.match(JSON.stringify(objects), /"--start-up-taint"/)
  assert.doesNotMatch(JSON.stringify(await render()), /"--start-up-taint"/)
})

async function create(api: KubeApi, object: object, dryRun: boolean): Promise<void> {
  const { path } = await collectionOf(api, object as Rendered)
  await api.call({
    method: 'POST',
    path,
    query: { fieldValidation: 'Strict', ...(dryRun ? { dryRun: 'All' } : {}) },
    body: object,
  })
}

/** Where objects of that kind are made, as the API server itself says. */
async function collectionOf(api: KubeApi, { apiVersion, kind }: Rendered) {
  const base = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const { resources } = (await api.call({ path: base })) as {
    readonly resources: readonly {
      readonly name: string
      readonly kind: string
      readonly namespaced: boolean
    }[]
  }
  const found = resources.find((one) => one.kind === kind && !one.name.includes('/'))
  assert.ok(found, `${apiVersion} has no ${kind}`)
  return { path: `${base}/${found.namespaced ? `namespaces/${namespace}/` : ''}${found.name}` }
}

test('an API server takes every object as it is, and knows every field', async () => {
  const objects = await render('--set', 'dashboard.enabled=true')
  const kinds = new Set(objects.map(({ kind }) => kind))
  for (const kind of ['DaemonSet', 'Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Job']) {
    assert.ok(kinds.has(kind), kind)
  }
  const cleaner = objects.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'sluice-uninstall',
  )
  assert.ok(cleaner)
  const inside = Object.values(cleaner['data'] as Record<string, string>)
  assert.equal(inside.length, 2)
  for (const object of [...objects, ...inside.map((text) => JSON.parse(text) as Rendered)]) {
    await assert.doesNotReject(
      create(server.api, object, true),
      `${object.kind} ${object.metadata.name}`,
    )
  }
})

test('a MeshConfig is checked where it is written', async () => {
  const [crd] = objectsOf(readFileSync(join(chart, 'crds/meshconfigs.yaml'), 'utf8'))
  assert.ok(crd)
  await create(server.api, crd, false)
  const config = (spec: object, name = 'default') => ({
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name },
    spec,
  })
  const good = {
    trustDomain: 'prod.example.com',
    unclassified: 'refuse',
    outside: 'allow',
    acceleration: 'off',
    failureMode: 'closed',
  }
  await waitFor(
    'the kind to be served',
    async () => {
      try {
        await create(server.api, config(good), true)
        return true
      } catch (error) {
        if (isStatus(error, 404) || String(error).includes('has no MeshConfig')) return false
        throw error
      }
    },
    60_000,
  )
  const refused: readonly (readonly [object, RegExp])[] = [
    [config(good, 'second'), /name it 'default'/],
    [config({ failureMode: 'ajar' }), /spec\.failureMode.*"open", "closed"/s],
    [config({ trustDomain: 'Prod_' }), /spec\.trustDomain.*is a DNS name/s],
    [config({ acceleration: true }), /spec\.acceleration.*string/s],
    [config({ trustdomain: 'x' }), /unknown field "spec\.trustdomain"/],
  ]
  for (const [object, complaint] of refused) {
    await assert.rejects(create(server.api, object, true), complaint)
  }
})

test('kubectl explains every setting', async () => {
  const [crd] = objectsOf(readFileSync(join(chart, 'crds/meshconfigs.yaml'), 'utf8'))
  const undescribed: string[] = []
  const look = (schema: Schema, path: string) => {
    for (const [name, below] of Object.entries(schema.properties ?? {})) {
      const at = `${path}.${name}`
      if (path.startsWith('.spec') && (below.description ?? '') === '') undescribed.push(at)
      look(below, at)
    }
  }
  assert.ok(crd)
  const { versions } = crd['spec'] as {
    versions: readonly { schema: { openAPIV3Schema: Schema } }[]
  }
  for (const { schema } of versions) look(schema.openAPIV3Schema, '')
  assert.deepEqual(undescribed, [])
})

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
}
