// Resources by what matters of them.
import type {
  Endpoint,
  NetworkAddress,
  PodEnrolment,
  Service,
  Workload,
} from '../../../src/model/resources.ts'

export function address(ip: string): NetworkAddress {
  return { network: 'default', ip }
}

export interface ServiceParts {
  readonly addresses?: readonly string[]
  readonly external?: readonly string[]
  readonly ports?: readonly number[]
  readonly endpoints?: readonly Endpoint[]
}

export function service(
  name: string,
  { addresses = [], external = [], ports = [80], endpoints = [] }: ServiceParts = {},
  more: Partial<Service> = {},
): Service {
  return {
    type: 'service',
    key: `shop/${name}.shop.svc`,
    namespace: 'shop',
    name,
    hostname: `${name}.shop.svc`,
    addresses: [...addresses, ...external].map(address),
    ...(external.length > 0 ? { externalAddresses: external.map(address) } : {}),
    ports: ports.map((port) => ({ name: `p${port}`, port, appProtocol: '' })),
    endpoints,
    clientIpAffinitySeconds: 0,
    internalTrafficPolicy: 'cluster',
    externalTrafficPolicy: 'cluster',
    publishNotReadyAddresses: false,
    trafficDistribution: '',
    ...more,
  }
}

/** Ready, on port 8080 for service port 80. */
export function endpoint(ip: string, more: Partial<Endpoint> = {}): Endpoint {
  return {
    workload: '',
    address: address(ip),
    ports: { 80: 8080 },
    node: '',
    zone: '',
    ready: true,
    serving: true,
    terminating: false,
    zoneHints: [],
    nodeHints: [],
    ...more,
  }
}

export interface PodParts {
  readonly addresses?: readonly string[]
  readonly node?: string
  readonly hostNetwork?: boolean
  readonly services?: readonly string[]
}

export function pod(name: string, parts: PodParts = {}): Workload {
  const { addresses = [], node = 'n1', hostNetwork = false, services } = parts
  return {
    type: 'workload',
    uid: `c/Pod/shop/${name}`,
    cluster: 'c',
    namespace: 'shop',
    name,
    addresses: addresses.map(address),
    node,
    hostNetwork,
    trustDomain: 'cluster.local',
    serviceAccount: 'default',
    locality: { region: '', zone: '', subzone: '' },
    tunnel: 'none',
    enrolled: true,
    ready: true,
    owner: name,
    ownerKind: 'Pod',
    canonicalName: name,
    canonicalRevision: 'latest',
    app: '',
    version: '',
    ...(services === undefined ? {} : { services }),
  }
}

export function enrolment(
  name: string,
  node = 'n1',
  more: Partial<PodEnrolment> = {},
): PodEnrolment {
  return {
    type: 'enrolment',
    uid: `uid-${name}`,
    namespace: 'shop',
    name,
    node,
    workload: `c/Pod/shop/${name}`,
    addresses: [],
    enrolled: true,
    reason: '',
    acceleration: 'auto',
    failureMode: 'open',
    oldConnections: 'keep',
    ...more,
  }
}
