import { compareNames } from '../../model/diff.ts'
import type { MeshSettings, NetworkAddress, Service, Workload } from '../../model/resources.ts'
import type { NodeFacts, ServiceFacts, SliceEndpointFacts, SliceFacts } from './facts.ts'
import { mergeEndpoints, type SliceEntry } from './merge-endpoints.ts'
import type { ReportProblem } from './problem.ts'

export interface ServiceSurroundings {
  readonly mesh: MeshSettings
  readonly clusterDomain: string
  readonly nodes: ReadonlyMap<string, NodeFacts>
  /** By `namespace/name` of the pod. */
  readonly workloads: ReadonlyMap<string, Workload>
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
  const slicesOf = groupSlices(services, slices, report)
  const findWorkload = workloadFinder(around, report)
  const members = new Map<string, Set<string>>()
  const compiled = services
    .filter(({ isAlias }) => !isAlias)
    .map((facts) => {
      const own = slicesOf.get(`${facts.namespace}/${facts.name}`) ?? []
      const service = compileService(facts, own, around, findWorkload)
      reportUnservedPorts(facts, own, report)
      for (const slice of own) {
        for (const endpoint of slice.endpoints) {
          const uid = findWorkload(slice, endpoint)?.uid
          if (uid !== undefined) members.set(uid, (members.get(uid) ?? new Set()).add(service.key))
        }
      }
      return service
    })
  return {
    services: compiled,
    servicesOf: new Map([...members].map(([uid, keys]) => [uid, [...keys].sort(compareNames)])),
  }
}

function groupSlices(
  services: readonly ServiceFacts[],
  slices: readonly SliceFacts[],
  report: ReportProblem,
): ReadonlyMap<string, readonly SliceFacts[]> {
  const names = new Set(services.map(({ namespace, name }) => `${namespace}/${name}`))
  const groups = new Map<string, SliceFacts[]>()
  for (const slice of slices) {
    const key = `${slice.namespace}/${slice.service}`
    const group = groups.get(key) ?? []
    group.push(slice)
    groups.set(key, group)
    if (names.has(key)) continue
    const missing = slice.service === ''
    report({
      severity: 'warning',
      kind: 'EndpointSlice',
      namespace: slice.namespace,
      name: slice.name,
      field: 'metadata.labels[kubernetes.io/service-name]',
      message: missing ? 'is missing' : `names Service ${key}, which does not exist`,
      fix: 'name a service of its namespace, or delete the slice',
      effect: 'its endpoints are not used',
    })
  }
  return groups
}

type FindWorkload = (slice: SliceFacts, endpoint: SliceEndpointFacts) => Workload | undefined

/**
 * The pod behind an endpoint: the one it names, if it has the address, else the one that has. A
 * slice may be written by hand, and must not give a pod's name to another's traffic.
 */
function workloadFinder(
  { workloads, mesh }: ServiceSurroundings,
  report: ReportProblem,
): FindWorkload {
  const byIp = new Map<string, Workload>()
  for (const workload of workloads.values()) {
    if (workload.hostNetwork) continue
    for (const { ip } of workload.addresses) byIp.set(ip, workload)
  }
  const reported = new Set<string>()
  return (slice, endpoint) => {
    const { pod, ip } = endpoint
    const name = pod === undefined ? '' : `${pod.namespace}/${pod.name}`
    const named = workloads.get(name)
    const has = (workload: Workload) =>
      workload.addresses.some((address) => address.ip === ip && address.network === mesh.network)
    if (named !== undefined && has(named)) return named
    const id = `${slice.namespace}/${slice.name} ${endpoint.field}`
    if (pod !== undefined && !reported.has(id)) {
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
    return byIp.get(ip)
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
