import { compareNames } from '../../model/diff.ts'
import type { MeshSettings, NetworkAddress, Service, Workload } from '../../model/resources.ts'
import type { Lookup, NodeFacts, ServiceFacts, SliceEndpointFacts, SliceFacts } from './facts.ts'
import { mergeEndpoints, type SliceEntry } from './merge-endpoints.ts'
import type { ReportProblem } from './problem.ts'

export interface ServiceSurroundings {
  readonly mesh: MeshSettings
  readonly clusterDomain: string
  readonly nodes: Lookup<NodeFacts>
  /** By `namespace/name` of the pod. */
  readonly workloads: Lookup<Workload>
  /** By address; pods of the host's network have none of their own. */
  readonly workloadsByIp: Lookup<Workload>
}

export interface CompiledServices {
  readonly services: readonly Service[]
  /** Keys of the services that have a workload as an endpoint, by its uid; sorted. */
  readonly servicesOf: ReadonlyMap<string, readonly string[]>
}

export function compileServices(
  services: readonly ServiceFacts[],
  slices: readonly SliceFacts[],
  around: ServiceSurroundings,
  report: ReportProblem,
): CompiledServices {
  const byName = new Map(services.map((facts) => [groupOf(facts), facts]))
  const slicesOf = Map.groupBy(slices, groupOf)
  const members = new Map<string, Set<string>>()
  const compiled: Service[] = []
  for (const group of new Set([...byName.keys(), ...slicesOf.keys()])) {
    const own = slicesOf.get(group) ?? []
    const result = compileGroup(byName.get(group), own, around, report)
    if (result === undefined) continue
    compiled.push(result.service)
    for (const uid of result.members) {
      members.set(uid, (members.get(uid) ?? new Set()).add(result.service.key))
    }
  }
  return {
    services: compiled,
    servicesOf: new Map([...members].map(([uid, keys]) => [uid, [...keys].sort(compareNames)])),
  }
}

/** `namespace/name` of the service that a slice belongs to, or of the service. */
export function groupOf(facts: ServiceFacts | SliceFacts): string {
  return `${facts.namespace}/${facts.kind === 'Service' ? facts.name : facts.service}`
}

export interface CompiledGroup {
  readonly service: Service
  /** Uids of the workloads among its endpoints. */
  readonly members: ReadonlySet<string>
}

/**
 * A service with its slices. @param facts undefined: there is no such service
 * @param slices sorted by name
 */
export function compileGroup(
  facts: ServiceFacts | undefined,
  slices: readonly SliceFacts[],
  around: ServiceSurroundings,
  report: ReportProblem,
): CompiledGroup | undefined {
  if (facts === undefined) {
    for (const slice of slices) reportOrphan(slice, report)
    return undefined
  }
  if (facts.isAlias) return undefined
  const findWorkload = workloadFinder(around, report)
  const service = compileService(facts, slices, around, findWorkload)
  reportUnservedPorts(facts, slices, report)
  const members = new Set<string>()
  for (const slice of slices) {
    for (const endpoint of slice.endpoints) {
      const uid = findWorkload(slice, endpoint)?.uid
      if (uid !== undefined) members.add(uid)
    }
  }
  return { service, members }
}

/**
 * Made from the very pods and services that we follow, and a moment older or younger than these:
 * what it names and is not there begins, or ends.
 */
function isControllers({ labels }: SliceFacts): boolean {
  return labels['endpointslice.kubernetes.io/managed-by'] === 'endpointslice-controller.k8s.io'
}

function reportOrphan(slice: SliceFacts, report: ReportProblem): void {
  if (isControllers(slice)) return
  const missing = slice.service === ''
  report({
    severity: 'warning',
    kind: 'EndpointSlice',
    namespace: slice.namespace,
    name: slice.name,
    field: 'metadata.labels[kubernetes.io/service-name]',
    message: missing ? 'is missing' : `names Service ${groupOf(slice)}, which does not exist`,
    fix: 'name a service of its namespace, or delete the slice',
    effect: 'its endpoints are not used',
  })
}

type FindWorkload = (slice: SliceFacts, endpoint: SliceEndpointFacts) => Workload | undefined

/**
 * The pod behind an endpoint: the one it names, if it has the address, else the one that has. A
 * slice may be written by hand, and must not give a pod's name to another's traffic.
 */
function workloadFinder(
  { workloads, workloadsByIp, mesh }: ServiceSurroundings,
  report: ReportProblem,
): FindWorkload {
  const reported = new Set<string>()
  return (slice, endpoint) => {
    const { pod, ip } = endpoint
    const name = pod === undefined ? '' : `${pod.namespace}/${pod.name}`
    const named = workloads.get(name)
    const has = (workload: Workload) =>
      workload.addresses.some((address) => address.ip === ip && address.network === mesh.network)
    if (named !== undefined && has(named)) return named
    const id = `${slice.namespace}/${slice.name} ${endpoint.field}`
    if (pod !== undefined && !reported.has(id) && !isControllers(slice)) {
      reported.add(id)
      report({
        severity: 'warning',
        kind: 'EndpointSlice',
        namespace: slice.namespace,
        name: slice.name,
        field: `${endpoint.field}.targetRef`,
        message:
          named === undefined
            ? `names Pod ${name}, which does not run`
            : `names Pod ${name}, which does not have ${ip}`,
        fix: 'name the pod that has the address, or none',
        effect: 'the address is used all the same',
      })
    }
    return workloadsByIp.get(ip)
  }
}

function compileService(
  facts: ServiceFacts,
  slices: readonly SliceFacts[],
  around: ServiceSurroundings,
  findWorkload: FindWorkload,
): Service {
  const { mesh, clusterDomain } = around
  const { namespace, name } = facts
  const hostname = `${name}.${namespace}.svc.${clusterDomain}`
  const toAddress = (ip: string): NetworkAddress => ({ network: mesh.network, ip })
  const external = facts.externalIps.filter((ip) => !facts.clusterIps.includes(ip))
  return {
    type: 'service',
    key: `${namespace}/${hostname}`,
    namespace,
    name,
    hostname,
    addresses: [...facts.clusterIps, ...external].map(toAddress),
    ...(external.length > 0 ? { externalAddresses: external.map(toAddress) } : {}),
    ports: facts.ports,
    endpoints: mergeEndpoints(
      slices.flatMap((slice) => entriesOf(facts, slice, around, findWorkload)),
    ),
    clientIpAffinitySeconds: facts.affinitySeconds,
    internalTrafficPolicy: facts.internalTrafficPolicy,
    externalTrafficPolicy: facts.externalTrafficPolicy,
    publishNotReadyAddresses: facts.publishNotReadyAddresses,
    trafficDistribution: facts.trafficDistribution,
  }
}

function entriesOf(
  service: ServiceFacts,
  slice: SliceFacts,
  { mesh, nodes }: ServiceSurroundings,
  findWorkload: FindWorkload,
): readonly SliceEntry[] {
  const ports: Record<number, number> = {}
  for (const { name, port } of service.ports) {
    const target = slice.ports.get(name)
    if (target !== undefined) ports[port] = target
  }
  return slice.endpoints.map((endpoint) => {
    const { ip, node, zone, ready, serving, terminating, zoneHints, nodeHints } = endpoint
    return {
      workload: findWorkload(slice, endpoint)?.uid ?? '',
      address: { network: mesh.network, ip },
      ports,
      node,
      zone: zone === '' ? (nodes.get(node)?.labels['topology.kubernetes.io/zone'] ?? '') : zone,
      ready,
      serving,
      terminating,
      zoneHints,
      nodeHints,
    }
  })
}

/**
 * A port that no slice serves, while others are served, is mostly a name that was written in two
 * ways.
 */
function reportUnservedPorts(
  { namespace, name, ports }: ServiceFacts,
  slices: readonly SliceFacts[],
  report: ReportProblem,
): void {
  const inUse = slices.filter(({ endpoints }) => endpoints.length > 0)
  if (inUse.length === 0) return
  for (const port of ports) {
    if (inUse.some((slice) => slice.ports.has(port.name))) continue
    report({
      severity: 'warning',
      kind: 'Service',
      namespace,
      name,
      field: 'spec.ports',
      message:
        `has port ${port.port} ${JSON.stringify(port.name)}, ` +
        'which none of its EndpointSlices has',
      fix: 'give the pods a container port of that name, or the slices a port of this name',
      effect: 'connections to the port are refused',
    })
  }
}
