// The generated cluster as the API server has it: of the size that objects really have, as most of
// them is of no use here and is read all the same.
import {
  type ControlPlan,
  endpointsOf,
  namespaceOf,
  namespacesOf,
  nodeName,
  type PlannedEndpoint,
  serviceIp,
  serviceName,
  servicePort,
  targetPort,
  templateHash,
} from './plan.ts'

/** How often each service was changed; not at all where it is not said. */
export type Turns = ReadonlyMap<number, number>

/**
 * With each change of a service another one of its endpoints is not ready, and the port is another:
 * by it a change is known again.
 */
export const firstChangedPort = 10_000

export type Collection = 'namespaces' | 'nodes' | 'pods' | 'services' | 'endpointslices'

const created = '2026-01-01T00:00:00Z'

export function isCollection(name: string): name is Collection {
  return ['namespaces', 'nodes', 'pods', 'services', 'endpointslices'].includes(name)
}

/** How many objects of a collection there are. */
export function countOf(plan: ControlPlan, collection: Collection): number {
  switch (collection) {
    case 'namespaces':
      return namespacesOf(plan).length
    case 'nodes':
      return plan.nodes
    case 'pods':
      return plan.services * endpointsOf(plan, 0).length
    default:
      return plan.services
  }
}

/** One object by its number in the collection. */
export function objectOf(
  plan: ControlPlan,
  collection: Collection,
  index: number,
  turns: Turns,
): object {
  switch (collection) {
    case 'namespaces':
      return namespaceObject(namespacesOf(plan)[index] ?? '')
    case 'nodes':
      return nodeObject(index)
    case 'pods':
      return podObject(plan, index)
    case 'services':
      return serviceObject(index)
    default:
      return sliceObject(plan, index, turns.get(index))
  }
}

function namespaceObject(name: string): object {
  return {
    metadata: {
      name,
      uid: `namespace-${name}`,
      creationTimestamp: created,
      labels: { 'kubernetes.io/metadata.name': name },
      annotations: { 'sluice.dev/enroll': 'true' },
    },
  }
}

function nodeObject(index: number): object {
  return {
    metadata: {
      name: nodeName(index),
      uid: `node-uid-${index}`,
      creationTimestamp: created,
      labels: {
        'kubernetes.io/hostname': nodeName(index),
        'kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/region': 'north',
        'topology.kubernetes.io/zone': `north-${index % 3}`,
      },
      annotations: {},
    },
  }
}

function podObject(plan: ControlPlan, index: number): object {
  const each = endpointsOf(plan, 0).length
  const service = Math.floor(index / each)
  const { ip, pod, node } = endpointsOf(plan, service)[index % each] as PlannedEndpoint
  const name = serviceName(service)
  const hash = templateHash(service)
  return {
    metadata: {
      name: pod,
      generateName: `${name}-${hash}-`,
      namespace: namespaceOf(service),
      uid: podUid(index),
      creationTimestamp: created,
      labels: { app: name, version: 'v1', 'pod-template-hash': hash },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `${name}-${hash}`, controller: true },
      ],
    },
    spec: {
      nodeName: node,
      serviceAccountName: name,
      containers: [container(name)],
      tolerations: ['not-ready', 'unreachable'].map((taint) => ({
        key: `node.kubernetes.io/${taint}`,
        operator: 'Exists',
        effect: 'NoExecute',
        tolerationSeconds: 300,
      })),
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: 'True',
        lastTransitionTime: created,
      })),
    },
  }
}

function podUid(index: number): string {
  const text = index.toString(16).padStart(12, '0')
  return `0a1b2c3d-4e5f-4a6b-8c7d-${text}`
}

function container(name: string): object {
  return {
    name: 'app',
    image: `images.example/${name}:1.0`,
    ports: [{ name: 'http', containerPort: targetPort, protocol: 'TCP' }],
    env: Array.from({ length: 8 }, (_, index) => ({ name: `SETTING_${index}`, value: `${index}` })),
    resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
    volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets', readOnly: true }],
    readinessProbe: { httpGet: { path: '/ready', port: targetPort }, periodSeconds: 5 },
  }
}

function serviceObject(index: number): object {
  return {
    metadata: {
      name: serviceName(index),
      namespace: namespaceOf(index),
      uid: `service-uid-${index}`,
      creationTimestamp: created,
      labels: { app: serviceName(index) },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: serviceIp(index),
      clusterIPs: [serviceIp(index)],
      selector: { app: serviceName(index) },
      ports: [{ name: 'http', protocol: 'TCP', port: servicePort, targetPort: 'http' }],
    },
    status: { loadBalancer: {} },
  }
}

export function sliceObject(
  plan: ControlPlan,
  service: number,
  turn: number | undefined,
): { readonly metadata: object; readonly [name: string]: unknown } {
  const namespace = namespaceOf(service)
  const all = endpointsOf(plan, service)
  const endpoints = all.map(({ ip, pod, node }, index) => {
    const ready = turn === undefined || index !== turn % all.length
    return {
      addresses: [ip],
      conditions: { ready, serving: ready, terminating: false },
      nodeName: node,
      targetRef: { kind: 'Pod', namespace, name: pod },
    }
  })
  return {
    metadata: {
      name: `${serviceName(service)}-x7k2p`,
      namespace,
      uid: `slice-uid-${service}`,
      creationTimestamp: created,
      labels: { 'kubernetes.io/service-name': serviceName(service) },
    },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: portOf(turn), protocol: 'TCP' }],
  }
}

function portOf(turn: number | undefined): number {
  return turn === undefined ? targetPort : firstChangedPort + turn
}

/**
 * A page of a list, as it is asked for; nothing of collections that are not the plan's.
 */
export function listOf(
  plan: ControlPlan,
  collection: string,
  query: URLSearchParams,
  turns: Turns,
): { readonly continue?: string; readonly items: readonly object[] } {
  if (!isCollection(collection)) return { items: [] }
  const first = Number(query.get('continue') ?? 0)
  const count = countOf(plan, collection)
  const last = Math.min(count, first + Number(query.get('limit') ?? 500))
  const items: object[] = []
  for (let index = first; index < last; index += 1) {
    items.push(objectOf(plan, collection, index, turns))
  }
  return last < count ? { continue: `${last}`, items } : { items }
}
