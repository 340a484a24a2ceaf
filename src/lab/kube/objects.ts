/** Kubernetes objects as YAML has them, with the fields that a mesh or a kube-proxy reads. */
export interface ObjectMeta {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  readonly creationTimestamp: string
  readonly deletionTimestamp?: string
  readonly ownerReferences?: readonly OwnerReference[]
}

interface OwnerReference {
  readonly apiVersion: string
  readonly kind: string
  readonly name: string
  readonly uid: string
  readonly controller: boolean
}

interface ObjectOf<Version extends string, Kind extends string> {
  readonly apiVersion: Version
  readonly kind: Kind
  readonly metadata: ObjectMeta
}

export type NamespaceObject = ObjectOf<'v1', 'Namespace'>

export interface NodeObject extends ObjectOf<'v1', 'Node'> {
  readonly spec: { readonly podCIDRs: readonly string[] }
  readonly status: {
    readonly addresses: readonly {
      readonly type: 'InternalIP' | 'Hostname'
      readonly address: string
    }[]
  }
}

export interface ContainerPort {
  readonly name?: string
  readonly containerPort: number
  readonly protocol: Protocol
}

export type Protocol = 'TCP' | 'UDP'

export interface PodObject extends ObjectOf<'v1', 'Pod'> {
  readonly spec: {
    readonly nodeName: string
    readonly serviceAccountName: string
    readonly hostNetwork: boolean
    readonly containers: readonly {
      readonly name: string
      readonly image: string
      readonly ports: readonly ContainerPort[]
    }[]
  }
  readonly status: {
    readonly phase: 'Running'
    readonly qosClass: 'Guaranteed' | 'Burstable' | 'BestEffort'
    readonly hostIP: string
    readonly podIP: string
    readonly podIPs: readonly { readonly ip: string }[]
    readonly conditions: readonly { readonly type: 'Ready'; readonly status: 'True' | 'False' }[]
    readonly containerStatuses: readonly {
      readonly name: string
      readonly containerID: string
      readonly ready: boolean
    }[]
  }
}

export interface ServicePortObject {
  readonly name?: string
  readonly port: number
  readonly targetPort: number | string
  readonly protocol: Protocol
  readonly appProtocol?: string
}

export type IpFamily = 'IPv4' | 'IPv6'

export interface ServiceObject extends ObjectOf<'v1', 'Service'> {
  readonly spec: {
    readonly type: 'ClusterIP'
    readonly clusterIP: string
    readonly clusterIPs: readonly string[]
    readonly ipFamilies: readonly IpFamily[]
    readonly externalIPs?: readonly string[]
    readonly selector?: Readonly<Record<string, string>>
    readonly ports: readonly ServicePortObject[]
    readonly sessionAffinity: 'None' | 'ClientIP'
    readonly sessionAffinityConfig?: { readonly clientIP: { readonly timeoutSeconds: number } }
    readonly internalTrafficPolicy: 'Cluster' | 'Local'
    readonly publishNotReadyAddresses: boolean
  }
}

export interface SliceEndpoint {
  readonly addresses: readonly string[]
  readonly conditions: {
    readonly ready: boolean
    readonly serving: boolean
    readonly terminating: boolean
  }
  readonly nodeName?: string
  readonly zone?: string
  readonly targetRef?: {
    readonly kind: 'Pod'
    readonly namespace: string
    readonly name: string
    readonly uid: string
  }
}

export interface SlicePort {
  readonly name: string
  readonly port: number
  readonly protocol: Protocol
  readonly appProtocol?: string
}

export interface EndpointSliceObject extends ObjectOf<'discovery.k8s.io/v1', 'EndpointSlice'> {
  readonly addressType: IpFamily
  readonly endpoints: readonly SliceEndpoint[]
  readonly ports: readonly SlicePort[]
}

export type KubeObject =
  | NamespaceObject
  | NodeObject
  | PodObject
  | ServiceObject
  | EndpointSliceObject

export function isKind<K extends KubeObject['kind']>(kind: K) {
  return (object: KubeObject): object is Extract<KubeObject, { kind: K }> => object.kind === kind
}
