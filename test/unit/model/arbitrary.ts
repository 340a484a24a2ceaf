// Random resources for properties, out of few names, so that they refer to each other and collide.
import fc from 'fast-check'
import type {
  Endpoint,
  MeshSettings,
  NetworkAddress,
  PodEnrolment,
  Resource,
  Service,
  Workload,
} from '../../../src/model/resources.ts'

/** fast-check makes objects without a prototype too; ours come from literals and JSON. */
const plain = { noNullPrototype: true } as const

export const network = 'default'
const index = fc.integer({ min: 0, max: 4 })
const text = fc.constantFrom('', 'a', 'é"\\', 'web-1')

export const ip = fc.oneof(
  index.map((n) => `10.0.0.${n}`),
  index.map((n) => `fd00::${n + 1}`),
)
export const address: fc.Arbitrary<NetworkAddress> = ip.map((one) => ({ network, ip: one }))
export const nodeName = fc.constantFrom('n0', 'n1')
const workloadUid = index.map((n) => `c/Pod/shop/p${n}`)
const serviceKey = index.map((n) => `shop/s${n}.shop.svc`)

export const workload: fc.Arbitrary<Workload> = fc.record(
  {
    type: fc.constant('workload' as const),
    uid: workloadUid,
    cluster: fc.constant('c'),
    namespace: fc.constant('shop'),
    name: fc.constant('p'),
    addresses: fc.uniqueArray(address, { maxLength: 2, selector: (one) => one.ip }),
    node: nodeName,
    hostNetwork: fc.boolean(),
    trustDomain: fc.constant('cluster.local'),
    serviceAccount: text,
    locality: fc.record({ region: text, zone: text, subzone: text }, plain),
    tunnel: fc.constantFrom('none', 'hbone'),
    enrolled: fc.boolean(),
    ready: fc.boolean(),
    owner: text,
    ownerKind: text,
    canonicalName: text,
    canonicalRevision: text,
    app: text,
    version: text,
    services: fc.uniqueArray(serviceKey, { maxLength: 2 }),
  },
  {
    ...plain,
    requiredKeys: [
      'type',
      'uid',
      'cluster',
      'namespace',
      'name',
      'addresses',
      'node',
      'hostNetwork',
      'trustDomain',
      'serviceAccount',
      'locality',
      'tunnel',
      'enrolled',
      'ready',
      'owner',
      'ownerKind',
      'canonicalName',
      'canonicalRevision',
      'app',
      'version',
    ],
  },
)

const port = fc.constantFrom(80, 443, 65_535)

export const endpoint: fc.Arbitrary<Endpoint> = fc.record(
  {
    workload: fc.oneof(fc.constant(''), workloadUid),
    address,
    ports: fc
      .uniqueArray(fc.tuple(port, port), { maxLength: 3, selector: ([one]) => one })
      .map((pairs) => Object.fromEntries(pairs) as Record<number, number>),
    node: fc.oneof(fc.constant(''), nodeName),
    zone: fc.constantFrom('', 'z0', 'z1'),
    ready: fc.boolean(),
    serving: fc.boolean(),
    terminating: fc.boolean(),
    zoneHints: fc.uniqueArray(fc.constantFrom('z0', 'z1')),
    nodeHints: fc.uniqueArray(nodeName),
  },
  plain,
)

export const service: fc.Arbitrary<Service> = fc
  .record({
    key: serviceKey,
    addresses: fc.uniqueArray(address, { maxLength: 2, selector: (one) => one.ip }),
    external: fc.boolean(),
    ports: fc.uniqueArray(
      fc.record({ name: text, port, appProtocol: fc.constantFrom('', 'http') }, plain),
      { maxLength: 2, selector: (one) => one.port },
    ),
    endpoints: fc.array(endpoint, { maxLength: 4 }),
    clientIpAffinitySeconds: fc.constantFrom(0, 60),
    internalTrafficPolicy: fc.constantFrom('cluster' as const, 'local' as const),
    externalTrafficPolicy: fc.constantFrom('cluster' as const, 'local' as const),
    publishNotReadyAddresses: fc.boolean(),
    trafficDistribution: fc.constantFrom('' as const, 'preferSameZone' as const),
  })
  .map(({ external, ...rest }) => ({
    type: 'service' as const,
    namespace: 'shop',
    name: 's',
    hostname: rest.key.slice('shop/'.length),
    ...rest,
    ...(external ? { externalAddresses: rest.addresses.slice(0, 1) } : {}),
  }))

const decidedEnrolment: fc.Arbitrary<PodEnrolment> = fc.record(
  {
    type: fc.constant('enrolment' as const),
    uid: index.map((n) => `u${n}`),
    namespace: fc.constant('shop'),
    name: fc.constant('p'),
    node: nodeName,
    workload: fc.oneof(fc.constant(''), workloadUid),
    addresses: fc.uniqueArray(ip, { maxLength: 2 }),
    enrolled: fc.boolean(),
    reason: text,
    acceleration: fc.constantFrom('auto' as const, 'full' as const, 'off' as const),
    failureMode: fc.constantFrom('open' as const, 'closed' as const),
    oldConnections: fc.constantFrom('keep' as const, 'reset' as const),
  },
  plain,
)

export const enrolment: fc.Arbitrary<PodEnrolment> = fc
  .tuple(decidedEnrolment, fc.subarray(['enrolled', 'failureMode'] as const))
  .map(([one, undecided]) => (undecided.length === 0 ? one : { ...one, undecided }))

export const settings: fc.Arbitrary<MeshSettings> = fc.record(
  {
    type: fc.constant('settings' as const),
    cluster: fc.constant('c'),
    network: fc.constant(network),
    trustDomain: fc.constant('cluster.local'),
    unclassified: fc.constantFrom('count' as const, 'refuse' as const),
    outside: fc.constantFrom('allow' as const, 'refuse' as const),
    acceleration: fc.constantFrom('auto' as const, 'full' as const, 'off' as const),
    failureMode: fc.constantFrom('open' as const, 'closed' as const),
    oldConnections: fc.constantFrom('keep' as const, 'reset' as const),
  },
  plain,
)

export const resource: fc.Arbitrary<Resource> = fc.oneof(workload, service, enrolment, settings)

/** Of unlike names. */
export const resources: fc.Arbitrary<readonly Resource[]> = fc.uniqueArray(resource, {
  maxLength: 14,
  selector: (one) =>
    one.type === 'settings'
      ? one.type
      : `${one.type}/${one.type === 'service' ? one.key : one.uid}`,
})
