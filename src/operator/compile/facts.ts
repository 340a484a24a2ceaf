import type { IpAddress, MeshSettings } from '../../model/resources.ts'

/** What the compiler reads of Kubernetes' objects, checked. One type a kind. */
export interface ObjectFacts {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** RFC 3339, so that text order is time order; empty when not said. */
  readonly created: string
  readonly deleting: boolean
}

export type Kind =
  | 'MeshConfig'
  | 'RuntimeClass'
  | 'Namespace'
  | 'Node'
  | 'Pod'
  | 'Service'
  | 'EndpointSlice'

/** What users set for the whole mesh; what is not there is as the operator was started. */
export interface MeshConfigFacts extends ObjectFacts {
  readonly kind: 'MeshConfig'
  readonly settings: MeshChoices
}

export type MeshChoices = Partial<
  Pick<
    MeshSettings,
    'trustDomain' | 'unclassified' | 'outside' | 'acceleration' | 'failureMode' | 'oldConnections'
  >
>

export interface NamespaceFacts extends ObjectFacts {
  readonly kind: 'Namespace'
}

export interface NodeFacts extends ObjectFacts {
  readonly kind: 'Node'
}

/** How a kubelet's runtime is to run pods. */
export interface RuntimeClassFacts extends ObjectFacts {
  readonly kind: 'RuntimeClass'
  /** What the runtime's configuration calls it. */
  readonly handler: string
}

export interface PodFacts extends ObjectFacts {
  readonly kind: 'Pod'
  readonly node: string
  readonly hostNetwork: boolean
  /** Name of its RuntimeClass; empty: the runtime's preset. */
  readonly runtimeClass: string
  readonly serviceAccount: string
  readonly phase: string
  readonly ready: boolean
  readonly ips: readonly IpAddress[]
  /** The owner that controls it. */
  readonly controller: { readonly kind: string; readonly name: string } | undefined
}

export interface ServicePortFacts {
  readonly name: string
  readonly port: number
  readonly appProtocol: string
}

export interface ServiceFacts extends ObjectFacts {
  readonly kind: 'Service'
  readonly clusterIps: readonly IpAddress[]
  readonly externalIps: readonly IpAddress[]
  /** TCP alone: nothing else is taken into the mesh. */
  readonly ports: readonly ServicePortFacts[]
  readonly isAlias: boolean
  readonly affinitySeconds: number
  readonly internalTrafficPolicy: 'cluster' | 'local'
  readonly externalTrafficPolicy: 'cluster' | 'local'
  readonly publishNotReadyAddresses: boolean
  readonly trafficDistribution: '' | 'preferSameZone' | 'preferSameNode'
}

export interface SliceEndpointFacts {
  readonly ip: IpAddress
  readonly node: string
  readonly zone: string
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly zoneHints: readonly string[]
  readonly nodeHints: readonly string[]
  readonly pod: { readonly namespace: string; readonly name: string } | undefined
  /** Where it stands, for problems. */
  readonly field: string
}

export interface SliceFacts extends ObjectFacts {
  readonly kind: 'EndpointSlice'
  /** Empty: it belongs to none, and kube-proxy ignores it. */
  readonly service: string
  /** TCP port numbers by port name. */
  readonly ports: ReadonlyMap<string, number>
  readonly endpoints: readonly SliceEndpointFacts[]
}

export type Facts =
  | MeshConfigFacts
  | RuntimeClassFacts
  | NamespaceFacts
  | NodeFacts
  | PodFacts
  | ServiceFacts
  | SliceFacts

/** A map, or what answers as one. */
export interface Lookup<T> {
  get(key: string): T | undefined
}
