// Kubernetes' objects out of few names and addresses, so that they refer to each other and
// collide; some are bad.
import fc from 'fast-check'

const namespace = fc.constantFrom('a', 'b')
const nodeName = fc.constantFrom('', 'n0', 'n1')
const ip = fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3', 'fd00::1')
const time = fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z')
const wish = fc.constantFrom(undefined, 'true', 'false', 'yes')

function annotations(enroll: string | undefined): object {
  return enroll === undefined ? {} : { annotations: { 'sluice.dev/enroll': enroll } }
}

const namespaceObject = fc.record({ name: namespace, enroll: wish }).map(({ name, enroll }) => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name, ...annotations(enroll) },
}))

const node = fc
  .record({ name: fc.constantFrom('n0', 'n1'), zone: fc.constantFrom('z0', 'z1') })
  .map(({ name, zone }) => ({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
  }))

const pod = fc
  .record({
    namespace,
    name: fc.constantFrom('p0', 'p1', 'p2'),
    uid: fc.constantFrom('u0', 'u1', 'u2', 'u3'),
    node: nodeName,
    hostNetwork: fc.boolean(),
    phase: fc.constantFrom('Running', 'Running', 'Succeeded'),
    ips: fc.uniqueArray(ip, { maxLength: 2 }),
    created: time,
    deleting: fc.boolean(),
    enroll: wish,
    runtimeClassName: fc.constantFrom(undefined, undefined, 'plain', 'sealed'),
    bad: fc.constantFrom(false, false, false, true),
  })
  .map(({ namespace, name, uid, node, phase, ips, created, deleting, enroll, bad, ...spec }) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace,
      name,
      uid,
      creationTimestamp: created,
      ...(deleting ? { deletionTimestamp: created } : {}),
      ...annotations(enroll),
    },
    spec: {
      nodeName: node,
      runtimeClassName: spec.runtimeClassName,
      hostNetwork: bad ? 'yes' : spec.hostNetwork,
    },
    status: { phase, podIPs: ips.map((one) => ({ ip: one })) },
  }))

const runtimeClass = fc
  .record({
    name: fc.constantFrom('plain', 'sealed'),
    handler: fc.constantFrom('runc', 'kata-qemu', 7),
  })
  .map(({ name, handler }) => ({
    apiVersion: 'node.k8s.io/v1',
    kind: 'RuntimeClass',
    metadata: { name },
    handler,
  }))

const service = fc
  .record({
    namespace,
    name: fc.constantFrom('s0', 's1'),
    type: fc.constantFrom('ClusterIP', 'ClusterIP', 'ExternalName'),
    clusterIp: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None'),
    external: fc.subarray(['192.0.2.1']),
    port: fc.constantFrom(80, 81, 0),
    created: time,
  })
  .map(({ namespace, name, type, clusterIp, external, port, created }) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace, name, creationTimestamp: created },
    spec: { type, clusterIPs: [clusterIp], externalIPs: external, ports: [{ name: 'p', port }] },
  }))

const endpoint = fc
  .record({
    ip: fc.constantFrom('10.0.0.1', '10.0.0.2', '10.0.0.3'),
    node: nodeName,
    zone: fc.constantFrom('', 'z9'),
    pod: fc.constantFrom(undefined, 'p0', 'p1'),
    ready: fc.boolean(),
  })
  .map(({ ip: address, node: nodeOf, zone, pod: name, ready }) => ({
    addresses: [address],
    nodeName: nodeOf,
    ...(zone === '' ? {} : { zone }),
    conditions: { ready },
    ...(name === undefined ? {} : { targetRef: { kind: 'Pod', name } }),
  }))

const slice = fc
  .record({
    namespace,
    name: fc.constantFrom('e0', 'e1', 'e2'),
    of: fc.constantFrom('s0', 's1', 'gone', undefined),
    port: fc.constantFrom('p', 'q'),
    endpoints: fc.array(endpoint, { maxLength: 3 }),
    type: fc.constantFrom('IPv4', 'IPv4', 'IPv6'),
  })
  .map(({ namespace, name, of, port, endpoints, type }) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace,
      name,
      labels: of === undefined ? {} : { 'kubernetes.io/service-name': of },
    },
    addressType: type,
    ports: [{ name: port, port: 8080 }],
    endpoints,
  }))

const meshConfig = fc
  .record({
    name: fc.constantFrom('m0', 'm1'),
    created: time,
    outside: fc.constantFrom(undefined, 'allow', 'refuse', 'maybe'),
    trustDomain: fc.constantFrom(undefined, 'example.org'),
  })
  .map(({ name, created, outside, trustDomain }) => ({
    apiVersion: 'sluice.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name, creationTimestamp: created },
    spec: { outside, trustDomain },
  }))

const serviceRef = fc.record({
  namespace,
  name: fc.constantFrom('s0', 's1'),
  port: fc.constantFrom(80, 81),
})

const httpRoute = fc
  .record({
    namespace,
    name: fc.constantFrom('r0', 'r1'),
    created: time,
    parents: fc.array(serviceRef, { maxLength: 2 }),
    backendRefs: fc.array(serviceRef, { maxLength: 2 }),
    timeout: fc.constantFrom('1s', 'soon'),
  })
  .map(({ namespace, name, created, parents, backendRefs, timeout }) => ({
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace, name, creationTimestamp: created },
    spec: {
      parentRefs: parents.map((ref) => ({ ...ref, group: '', kind: 'Service' })),
      rules: [{ backendRefs }, { timeouts: { request: timeout } }],
    },
  }))

export type KubeObject = {
  readonly kind: string
  readonly metadata: { readonly namespace?: string; readonly name: string }
}

export const kubeObject: fc.Arbitrary<KubeObject> = fc.oneof(
  namespaceObject,
  node,
  runtimeClass,
  { arbitrary: pod, weight: 4 },
  { arbitrary: service, weight: 2 },
  { arbitrary: slice, weight: 3 },
  meshConfig,
  { arbitrary: httpRoute, weight: 2 },
)
