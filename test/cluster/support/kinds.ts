// A namespace that is in the mesh from its beginning, with pods of all kinds, and one outside.
import assert from 'node:assert/strict'
import { apply } from '../../../scripts/cluster/kubectl.ts'
import { container, pod, podSpec, programsObject, service } from './apps.ts'
import type { Mesh } from './mesh.ts'
import { podsReady, rolledOut } from './rollout.ts'

export const kinds = 'kinds'
export const outside = 'outside'

/** In the mesh for as long as the namespace stands. */
export const lasting = [
  'asker-node1',
  'asker-node2',
  'besteffort',
  'burstable',
  'db-0',
  'db-1',
  'guaranteed',
  'several',
  'unready',
]

export interface Answer {
  readonly name?: string
  readonly node?: string
  readonly port?: number
  readonly client?: string
  readonly error?: string
}

/** Lets a pod ask, with a new connection each time. @param from `namespace/name` */
export async function ask(
  mesh: Mesh,
  from: string,
  url: string,
  count: number,
  timeoutMs = 10_000,
): Promise<readonly Answer[]> {
  const query = new URLSearchParams({ url, count: `${count}`, timeout: `${timeoutMs}` })
  return JSON.parse(await mesh.fetchPod(from, 8080, `/ask?${query.toString()}`)) as Answer[]
}

/** What differs among answers: names of servers, or errors. */
export function who(answers: readonly Answer[]): readonly string[] {
  return [...new Set(answers.map(({ name, error }) => error ?? name ?? ''))].sort()
}

export async function startKinds(mesh: Mesh): Promise<void> {
  const { image } = mesh
  const annotations = { 'sluice.dev/enroll': 'true' }
  await apply(mesh.kubectl, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: kinds, annotations } },
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: outside } },
    programsObject(kinds),
    programsObject(outside),
    ...services(),
    ...mesh.nodes.map((node) => server(image, `asker-${node}`, node, 'asker')),
    ...qosPods(image),
    severalContainers(image),
    statefulSet(image),
    job(image),
    server(image, 'unready', 'node2', 'unready', { env: { NOT_READY: 'yes' } }),
    { ...server(image, 'outsider', 'node1', 'outsider'), ...inNamespace(outside, 'outsider') },
  ])
  await rolledOut(mesh, kinds, 'statefulset/db')
  await podsReady(mesh, kinds, ...lasting.filter((name) => name !== 'unready'))
  await podsReady(mesh, outside)
  await mesh.enrolled(kinds, lasting)
}

function inNamespace(namespace: string, name: string): object {
  return { metadata: { namespace, name, labels: { app: name } } }
}

function server(
  image: string,
  name: string,
  nodeName: string,
  app: string,
  { env = {}, more = {} }: { env?: Readonly<Record<string, string>>; more?: object } = {},
): object {
  const spec = podSpec([container(image, 'serve', env, more)], { nodeName })
  return pod(kinds, name, { app, pod: name }, spec)
}

function qosPods(image: string): readonly object[] {
  const some = { cpu: '500m', memory: '128Mi' }
  const guaranteed = { resources: { requests: some, limits: some } }
  const burstable = { resources: { requests: { cpu: '10m' } } }
  return [
    server(image, 'guaranteed', 'node1', 'qos', { more: guaranteed }),
    server(image, 'besteffort', 'node1', 'qos'),
    server(image, 'burstable', 'node2', 'qos', { more: burstable }),
  ]
}

/** Two containers, one that runs before them and ends, one that runs before them and stays. */
function severalContainers(image: string): object {
  const url = `http://qos.${kinds}.svc.cluster.local`
  const first = container(
    image,
    'ask',
    {},
    {
      name: 'first',
      command: ['/usr/bin/node', '/programs/ask.mjs', url, '10'],
    },
  )
  const sidecar = container(
    image,
    'serve',
    { PORTS: '8082' },
    {
      name: 'sidecar',
      restartPolicy: 'Always',
      readinessProbe: undefined,
    },
  )
  const second = container(image, 'serve', { PORTS: '8081' }, { name: 'second' })
  const containers = [container(image, 'serve'), second]
  const more = { nodeName: 'node1', initContainers: [sidecar, first] }
  return pod(kinds, 'several', { app: 'several' }, podSpec(containers, more))
}

function statefulSet(image: string): object {
  const labels = { app: 'db' }
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'DoNotSchedule',
    labelSelector: { matchLabels: labels },
  }
  const spec = podSpec([container(image, 'serve')], { topologySpreadConstraints: [spread] })
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db', namespace: kinds },
    spec: {
      replicas: 2,
      serviceName: 'db',
      podManagementPolicy: 'Parallel',
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec },
    },
  }
}

function job(image: string): object {
  const url = `http://qos.${kinds}.svc.cluster.local`
  const command = ['/usr/bin/node', '/programs/ask.mjs', url, '20']
  const spec = podSpec([container(image, 'ask', {}, { command })], { restartPolicy: 'Never' })
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'once', namespace: kinds },
    spec: { backoffLimit: 0, template: { metadata: { labels: { app: 'once' } }, spec } },
  }
}

function services(): readonly object[] {
  const qos = { app: 'qos' }
  const headless = { clusterIP: 'None' }
  const sticky = { sessionAffinity: 'ClientIP' }
  const local = { internalTrafficPolicy: 'Local' }
  const published = { publishNotReadyAddresses: true }
  const ports = [
    [80, 8080],
    [81, 8081],
    [82, 8082],
  ] as const
  return [
    service(kinds, 'qos', qos),
    service(kinds, 'db', { app: 'db' }, headless),
    service(kinds, 'sticky', qos, sticky),
    service(kinds, 'local', qos, local),
    service(kinds, 'local-far', { pod: 'burstable' }, local),
    service(kinds, 'several', { app: 'several' }, {}, ports),
    service(kinds, 'published', { app: 'unready' }, published),
    service(kinds, 'unready', { app: 'unready' }),
    service(kinds, 'nobody', { app: 'nobody' }),
  ]
}

interface PodAddress {
  readonly status: { readonly podIP?: string }
}

/** @param which `namespace/name` */
export async function addressOf(mesh: Mesh, which: string): Promise<string> {
  const [namespace = '', name = ''] = which.split('/')
  const { status } = await mesh.objects<PodAddress>('pod', name, '--namespace', namespace)
  assert.ok(status.podIP !== undefined)
  return status.podIP
}
