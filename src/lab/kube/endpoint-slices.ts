import { createHash } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type {
  EndpointSliceObject,
  IpFamily,
  PodObject,
  ServiceObject,
  ServicePortObject,
  SliceEndpoint,
  SlicePort,
} from './objects.ts'

/**
 * What Kubernetes' EndpointSlice controller makes of a service and its pods: one slice for every
 * family and every set of resolved ports (pods may give different numbers to one named port).
 * @param zones zone by node
 */
export function endpointSlicesOf(
  service: ServiceObject,
  pods: readonly PodObject[],
  zones: ReadonlyMap<string, string>,
): EndpointSliceObject[] {
  const { selector } = service.spec
  // Without a selector the slices are for others to write.
  if (selector === undefined) return []
  const selected = pods.filter(
    (pod) => pod.metadata.namespace === service.metadata.namespace && matches(pod, selector),
  )
  return service.spec.ipFamilies.flatMap((family) =>
    slicesOfFamily(service, selected, family, zones),
  )
}

function matches(pod: PodObject, selector: Readonly<Record<string, string>>): boolean {
  return Object.entries(selector).every(([key, value]) => pod.metadata.labels[key] === value)
}

function slicesOfFamily(
  service: ServiceObject,
  pods: readonly PodObject[],
  family: IpFamily,
  zones: ReadonlyMap<string, string>,
): EndpointSliceObject[] {
  const groups = new Map<string, { ports: SlicePort[]; endpoints: SliceEndpoint[] }>()
  for (const pod of pods) {
    const address = pod.status.podIPs.find(({ ip }) => isIPv6(ip) === (family === 'IPv6'))?.ip
    if (address === undefined) continue
    const ports = service.spec.ports.flatMap((port) => resolvePort(port, pod))
    const key = JSON.stringify(ports)
    const group = groups.get(key) ?? { ports, endpoints: [] }
    group.endpoints.push(endpointOf(service, pod, address, zones))
    groups.set(key, group)
  }
  return [...groups].map(([key, { ports, endpoints }]) =>
    sliceOf(service, family, shortHash(key), ports, endpoints),
  )
}

/** None where the pod has no port of that name, as in Kubernetes. */
function resolvePort(port: ServicePortObject, pod: PodObject): SlicePort[] {
  const declared = pod.spec.containers.flatMap((container) => container.ports)
  const number =
    typeof port.targetPort === 'number'
      ? port.targetPort
      : declared.find(
          ({ name, protocol }) => name === port.targetPort && protocol === port.protocol,
        )?.containerPort
  if (number === undefined) return []
  const { name = '', protocol, appProtocol } = port
  return [{ name, port: number, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }]
}

function endpointOf(
  service: ServiceObject,
  pod: PodObject,
  address: string,
  zones: ReadonlyMap<string, string>,
): SliceEndpoint {
  const serving = pod.status.conditions.some(
    ({ type, status }) => type === 'Ready' && status === 'True',
  )
  const terminating = pod.metadata.deletionTimestamp !== undefined
  const { nodeName } = pod.spec
  const { namespace = '', name, uid } = pod.metadata
  const zone = zones.get(nodeName)
  return {
    addresses: [address],
    conditions: {
      ready: service.spec.publishNotReadyAddresses || (serving && !terminating),
      serving,
      terminating,
    },
    nodeName,
    ...(zone === undefined ? {} : { zone }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  }
}

function sliceOf(
  service: ServiceObject,
  family: IpFamily,
  suffix: string,
  ports: readonly SlicePort[],
  endpoints: readonly SliceEndpoint[],
): EndpointSliceObject {
  const { name, namespace, uid, creationTimestamp } = service.metadata
  const sliceName = `${name}-${family.toLowerCase()}-${suffix}`
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: sliceName,
      ...(namespace === undefined ? {} : { namespace }),
      uid: `${uid}-${family.toLowerCase()}-${suffix}`,
      labels: {
        'kubernetes.io/service-name': name,
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      },
      annotations: {},
      creationTimestamp,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name, uid, controller: true }],
    },
    addressType: family,
    endpoints,
    ports,
  }
}

/** As the real names end: five characters that stand for the content of the group. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 5)
}
