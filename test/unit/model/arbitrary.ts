// Random resources for properties, out of few names, so that they refer to each other and collide.
import fc from 'fast-check'
import type {
  HttpFilters,
  HttpMatch,
  HttpRule,
  ServiceRoutes,
} from '../../../src/model/http-routes.ts'
import {
  type Endpoint,
  type MeshSettings,
  type NetworkAddress,
  type PodEnrolment,
  type Resource,
  resourceName,
  type Service,
  type Workload,
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

const header = fc.record({ name: fc.constantFrom('a', 'b'), value: text }, plain)
const edits = fc.record(
  {
    remove: fc.array(fc.constantFrom('x', 'y'), { maxLength: 2 }),
    set: fc.array(header, { maxLength: 2 }),
    add: fc.array(header, { maxLength: 2 }),
  },
  plain,
)
const pathEdit = fc.record({ type: fc.constantFrom('full', 'prefix'), value: text }, plain)
const texts = fc.array(text, { maxLength: 2 })

const filters: fc.Arbitrary<HttpFilters> = fc.record(
  {
    request: edits,
    response: edits,
    rewrite: fc.record(
      { hostname: text, path: pathEdit },
      { ...plain, requiredKeys: ['hostname'] },
    ),
    redirect: fc.record(
      {
        scheme: fc.constantFrom('', 'http', 'https'),
        hostname: text,
        port: fc.constantFrom(0, 443),
        status: fc.constantFrom(301, 308),
        path: pathEdit,
      },
      { ...plain, requiredKeys: ['scheme', 'hostname', 'port', 'status'] },
    ),
    mirrors: fc.array(
      fc.record(
        {
          service: serviceKey,
          port,
          numerator: fc.constantFrom(0, 1),
          denominator: fc.constant(100),
        },
        plain,
      ),
      { minLength: 1, maxLength: 2 },
    ),
    cors: fc.record(
      {
        origins: texts,
        credentials: fc.boolean(),
        methods: texts,
        headers: texts,
        expose: texts,
        maxAgeSeconds: fc.constantFrom(1, 5),
      },
      plain,
    ),
  },
  { ...plain, requiredKeys: [] },
)

const valueMatches = fc.array(
  fc.record(
    { name: fc.constantFrom('a', 'b'), type: fc.constantFrom('exact', 'regex'), value: text },
    plain,
  ),
  { maxLength: 2 },
)
const match: fc.Arbitrary<HttpMatch> = fc.record(
  {
    path: fc.record({ type: fc.constantFrom('exact', 'prefix', 'regex'), value: text }, plain),
    method: fc.constantFrom('', 'GET'),
    headers: valueMatches,
    query: valueMatches,
  },
  plain,
)
const backend = fc.record(
  {
    service: fc.oneof(fc.constant(''), serviceKey),
    port: fc.constantFrom(0, 80),
    weight: fc.constantFrom(1, 1_000_000),
    filters,
  },
  { ...plain, requiredKeys: ['service', 'port', 'weight'] },
)
const httpRule: fc.Arbitrary<HttpRule> = fc.record(
  {
    route: fc.constant('shop/r'),
    name: fc.constantFrom('0', 'named'),
    matches: fc.array(match, { minLength: 1, maxLength: 2 }),
    filters,
    backends: fc.array(backend, { maxLength: 2 }),
    requestTimeoutMs: fc.constantFrom(0, 1_500),
    backendTimeoutMs: fc.constantFrom(0, 250),
    retry: fc.record(
      {
        attempts: fc.constantFrom(0, 3),
        statuses: fc.array(fc.constantFrom(500, 503), { maxLength: 2 }),
        backoffMs: fc.constantFrom(0, 25),
      },
      plain,
    ),
  },
  {
    ...plain,
    requiredKeys: [
      'route',
      'name',
      'matches',
      'filters',
      'backends',
      'requestTimeoutMs',
      'backendTimeoutMs',
    ],
  },
)

export const routes: fc.Arbitrary<ServiceRoutes> = fc.record(
  {
    type: fc.constant('routes' as const),
    service: serviceKey,
    tables: fc.array(
      fc.record(
        {
          port,
          clients: fc.constantFrom('', 'front'),
          rules: fc.array(httpRule, { maxLength: 2 }),
        },
        plain,
      ),
      { maxLength: 2 },
    ),
  },
  plain,
)

export const resource: fc.Arbitrary<Resource> = fc.oneof(
  workload,
  service,
  enrolment,
  settings,
  routes,
)

/** What they lead to is all that matters to who sends them; whole ones take long to make. */
const plainRoutes: fc.Arbitrary<ServiceRoutes> = fc
  .record({ service: serviceKey, to: fc.array(serviceKey, { maxLength: 2 }) })
  .map(({ service, to }) => ({
    type: 'routes' as const,
    service,
    tables: [
      {
        port: 80,
        clients: '',
        rules: [
          {
            route: 'shop/r',
            name: '0',
            matches: [{ path: { type: 'prefix', value: '' }, method: '', headers: [], query: [] }],
            filters: {},
            backends: to.map((key) => ({ service: key, port: 80, weight: 1 })),
            requestTimeoutMs: 0,
            backendTimeoutMs: 0,
          },
        ],
      },
    ],
  }))

/** Of unlike names. */
export const resources: fc.Arbitrary<readonly Resource[]> = fc.uniqueArray(
  fc.oneof(workload, service, enrolment, settings, plainRoutes),
  { maxLength: 14, selector: resourceName },
)
