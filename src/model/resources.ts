/**
 * The contract between the operator and the nodes: what Kubernetes says, reduced to what a node
 * needs. Plain immutable data. It is ready for several clusters, networks and VMs from its first
 * version.
 */

import type { ServiceRoutes } from './http-routes.ts'

export type IpAddress = string

/** An address is only unique within its network. */
export interface NetworkAddress {
  readonly network: string
  readonly ip: IpAddress
}

export interface Locality {
  readonly region: string
  readonly zone: string
  readonly subzone: string
}

export type Acceleration = 'auto' | 'full' | 'off'
export type FailureMode = 'open' | 'closed'
/** What becomes of connections that are older than a pod's enrolment. */
export type OldConnections = 'keep' | 'reset'
export type TunnelProtocol = 'none' | 'hbone'

/** A pod or VM that can be at either end of a connection. `uid` is cluster/kind/namespace/name. */
export interface Workload {
  readonly type: 'workload'
  readonly uid: string
  readonly cluster: string
  readonly namespace: string
  readonly name: string
  readonly addresses: readonly NetworkAddress[]
  readonly node: string
  readonly hostNetwork: boolean
  readonly trustDomain: string
  readonly serviceAccount: string
  readonly locality: Locality
  readonly tunnel: TunnelProtocol
  readonly enrolled: boolean
  readonly ready: boolean
  /**
   * For telemetry: the owning Deployment (or the like), canonical name and revision, app, version.
   */
  readonly owner: string
  readonly ownerKind: string
  readonly canonicalName: string
  readonly canonicalRevision: string
  readonly app: string
  readonly version: string
  /**
   * Keys of the services that have it as an endpoint, sorted: what telemetry names for its address.
   */
  readonly services?: readonly string[]
}

export interface ServicePort {
  readonly name: string
  readonly port: number
  /**
   * 'tcp', 'http', 'http2', 'grpc', 'tls', … from appProtocol or the port-name prefix; '' when
   * neither says.
   */
  readonly appProtocol: string
}

/**
 * One address behind a service, with the target port of every service port it serves. An address
 * can be in the list twice, with other ports, where its slices do not agree on its conditions.
 */
export interface Endpoint {
  /** Its uid; empty for an address that is no pod's. */
  readonly workload: string
  readonly address: NetworkAddress
  /** Service port -> port on the endpoint. A service port that is not here is not served. */
  readonly ports: Readonly<Record<number, number>>
  readonly node: string
  readonly zone: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  /** EndpointSlice hints; empty: for all zones. */
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
}

/** `key` is namespace/hostname. */
export interface Service {
  readonly type: 'service'
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly hostname: string
  /** ClusterIPs, externalIPs and load balancer addresses; none for a headless service. */
  readonly addresses: readonly NetworkAddress[]
  /**
   * Those of `addresses` that are not cluster IPs (external and load balancer addresses). Other
   * services may have them too, on other ports, and a port that no service has is not ours: it
   * passes through.
   */
  readonly externalAddresses?: readonly NetworkAddress[]
  readonly ports: readonly ServicePort[]
  readonly endpoints: readonly Endpoint[]
  /**
   * Sent for telemetry's sake only: `endpoints` is empty, and says nothing of how many there are.
   */
  readonly endpointsOmitted?: boolean
  /**
   * Sent as a backend of routes only: `addresses` is empty, so that nobody finds it by address,
   * whose own routes would be missing.
   */
  readonly addressesOmitted?: boolean
  /** Seconds; 0: no affinity. */
  readonly clientIpAffinitySeconds: number
  readonly internalTrafficPolicy: 'cluster' | 'local'
  readonly externalTrafficPolicy: 'cluster' | 'local'
  readonly publishNotReadyAddresses: boolean
  readonly trafficDistribution: '' | 'preferSameZone' | 'preferSameNode'
}

/**
 * What a node does with one of its own pods. `uid` is the one that names its cgroup: Kubernetes'
 * pod uid, or for a static pod the hash of its file.
 */
export interface PodEnrolment {
  readonly type: 'enrolment'
  readonly uid: string
  readonly namespace: string
  readonly name: string
  readonly node: string
  readonly workload: string
  readonly addresses: readonly IpAddress[]
  readonly enrolled: boolean
  /** Why it is not, in words: 'not annotated', 'opted out', 'hostNetwork', … Empty when it is. */
  readonly reason: string
  readonly acceleration: Acceleration
  readonly failureMode: FailureMode
  readonly oldConnections: OldConnections
  /**
   * What is said of these holds only for a pod that the node does not know yet: for others the
   * node's last word holds. Somebody wrote a wrong value, and nobody knows the one before.
   */
  readonly undecided?: readonly PodChoice[]
}

/** What people choose for a pod. */
export type PodChoice = 'enrolled' | 'acceleration' | 'failureMode' | 'oldConnections'

/** Mesh-wide settings; one object. */
export interface MeshSettings {
  readonly type: 'settings'
  readonly cluster: string
  readonly network: string
  readonly trustDomain: string
  /** Pods that connect before they are known: counted, or refused. */
  readonly unclassified: 'count' | 'refuse'
  /** Destinations that nobody knows: let through, or refused. */
  readonly outside: 'allow' | 'refuse'
  readonly acceleration: Acceleration
  readonly failureMode: FailureMode
  readonly oldConnections: OldConnections
}

export type Resource = Workload | Service | PodEnrolment | MeshSettings | ServiceRoutes

/**
 * `settings`, `enrolment/<uid>`, `workload/<uid>`, `service/<key>`, `routes/<key of the service>`:
 * unique over all types.
 */
export function resourceName(resource: Resource): string {
  switch (resource.type) {
    case 'settings':
      return 'settings'
    case 'service':
      return `service/${resource.key}`
    case 'routes':
      return `routes/${resource.service}`
    default:
      return `${resource.type}/${resource.uid}`
  }
}
