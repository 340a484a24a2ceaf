import { randomUUID } from 'node:crypto'
import type { CgroupStyle, QosClass } from '../cgroup.ts'
import { type Addresses, serviceAddresses } from '../net/addresses.ts'
import type {
  IpFamily,
  NamespaceObject,
  NodeObject,
  ObjectMeta,
  PodObject,
  Protocol,
  ServiceObject,
  ServicePortObject,
} from './objects.ts'

/** What a caller says about a pod; everything else has the usual default. */
export interface PodSpec {
  readonly node: string
  readonly name: string
  /** `default`. */
  readonly namespace?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  /** `besteffort`. */
  readonly qos?: QosClass
  /** `cgroupfs`. */
  readonly cgroupStyle?: CgroupStyle
  readonly ports?: readonly {
    readonly name?: string
    readonly port: number
    readonly protocol?: Protocol
  }[]
  readonly serviceAccount?: string
  readonly hostNetwork?: boolean
  /** True: nothing here probes pods, the caller says when they are not ready. */
  readonly ready?: boolean
  /** The place in the node's pod network; one that a removed pod just had, say. */
  readonly addressIndex?: number
}

export interface ServiceSpec {
  readonly name: string
  readonly namespace?: string
  /** `ClusterIP`. */
  readonly type?: 'ClusterIP' | 'headless'
  /** `targetPort` is the port itself where it is not given. */
  readonly ports: readonly {
    readonly name?: string
    readonly port: number
    readonly targetPort?: number | string
    readonly protocol?: Protocol
    readonly appProtocol?: string
  }[]
  readonly selector?: Readonly<Record<string, string>>
  /** Absent: none. */
  readonly affinitySeconds?: number
  readonly internalTrafficPolicy?: 'Cluster' | 'Local'
  readonly publishNotReadyAddresses?: boolean
  readonly externalIPs?: readonly string[]
  /** All that the lab has. */
  readonly ipFamilies?: readonly IpFamily[]
  readonly annotations?: Readonly<Record<string, string>>
}

/** What the lab itself decided about a pod. */
export interface PodPlacement {
  readonly uid: string
  readonly containerId: string
  readonly addresses: Addresses
  readonly nodeAddress: string
}

export function newMeta(name: string, rest: Partial<ObjectMeta> = {}): ObjectMeta {
  // Whole seconds, as the API server writes them.
  const creationTimestamp = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  return { name, uid: randomUUID(), labels: {}, annotations: {}, creationTimestamp, ...rest }
}

export function namespaceObject(name: string): NamespaceObject {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: newMeta(name, { labels: { 'kubernetes.io/metadata.name': name } }),
  }
}

export function nodeObject(
  name: string,
  zone: string,
  addresses: Addresses,
  cidrs: Addresses,
): NodeObject {
  const addressList = [addresses.v4, addresses.v6].filter((ip) => ip !== undefined)
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: newMeta(name, {
      labels: {
        'kubernetes.io/hostname': name,
        'topology.kubernetes.io/region': 'lab',
        'topology.kubernetes.io/zone': zone,
      },
    }),
    spec: { podCIDRs: [cidrs.v4, cidrs.v6].filter((cidr) => cidr !== undefined) },
    status: {
      addresses: [
        ...addressList.map((address) => ({ type: 'InternalIP' as const, address })),
        { type: 'Hostname', address: name },
      ],
    },
  }
}

const QOS_NAMES = {
  guaranteed: 'Guaranteed',
  burstable: 'Burstable',
  besteffort: 'BestEffort',
} as const

export function podObject(spec: PodSpec, placement: PodPlacement): PodObject {
  const { addresses, containerId } = placement
  const ips = [addresses.v4, addresses.v6].filter((ip) => ip !== undefined)
  const ports = (spec.ports ?? []).map(({ name, port, protocol = 'TCP' }) => ({
    ...(name === undefined ? {} : { name }),
    containerPort: port,
    protocol,
  }))
  const ready = spec.ready ?? true
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: newMeta(spec.name, {
      namespace: spec.namespace ?? 'default',
      uid: placement.uid,
      labels: spec.labels ?? {},
      annotations: spec.annotations ?? {},
    }),
    spec: {
      nodeName: spec.node,
      serviceAccountName: spec.serviceAccount ?? 'default',
      hostNetwork: spec.hostNetwork ?? false,
      containers: [{ name: 'app', image: 'lab', ports }],
    },
    status: {
      phase: 'Running',
      qosClass: QOS_NAMES[spec.qos ?? 'besteffort'],
      hostIP: placement.nodeAddress,
      podIP: addresses.v4,
      podIPs: ips.map((ip) => ({ ip })),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
      containerStatuses: [{ name: 'app', containerID: `containerd://${containerId}`, ready }],
    },
  }
}

/** @param index the service's place in the service network @param ipv6 whether the lab has it */
export function serviceObject(spec: ServiceSpec, index: number, ipv6: boolean): ServiceObject {
  const ipFamilies = spec.ipFamilies ?? (ipv6 ? ['IPv4', 'IPv6'] : ['IPv4'])
  const own = serviceAddresses(index)
  const clusterIPs =
    spec.type === 'headless'
      ? ['None']
      : ipFamilies.map((family) => (family === 'IPv4' ? own.v4 : own.v6))
  const { selector, externalIPs, affinitySeconds } = spec
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: newMeta(spec.name, {
      namespace: spec.namespace ?? 'default',
      annotations: spec.annotations ?? {},
    }),
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterIPs[0] ?? 'None',
      clusterIPs,
      ipFamilies,
      ...(externalIPs === undefined ? {} : { externalIPs }),
      ...(selector === undefined ? {} : { selector }),
      ports: spec.ports.map(servicePort),
      sessionAffinity: affinitySeconds === undefined ? 'None' : 'ClientIP',
      ...(affinitySeconds === undefined
        ? {}
        : { sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } } }),
      internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
      publishNotReadyAddresses: spec.publishNotReadyAddresses ?? false,
    },
  }
}

function servicePort({
  name,
  port,
  targetPort = port,
  protocol = 'TCP',
  appProtocol,
}: ServiceSpec['ports'][number]): ServicePortObject {
  return {
    ...(name === undefined ? {} : { name }),
    port,
    targetPort,
    protocol,
    ...(appProtocol === undefined ? {} : { appProtocol }),
  }
}
