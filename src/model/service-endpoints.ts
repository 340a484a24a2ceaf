import { hasExternal } from './destination.ts'
import { familyOf, type IpFamily } from './ip.ts'
import { addressKey } from './names.ts'
import type { Endpoint, NetworkAddress, Service } from './resources.ts'

/** A connection to a service, as far as the choice of its endpoints depends on it. */
export interface ServiceAsk {
  /** The service's address that was asked for: its family decides that of the endpoints. */
  readonly address: NetworkAddress
  readonly port: number
  /** Where the client is. */
  readonly node: string
  readonly zone: string
}

export interface ServiceTarget {
  readonly endpoint: Endpoint
  readonly address: NetworkAddress
  /** The endpoint's own port for the service port asked for. */
  readonly port: number
}

/** ClientIP affinity is kept per service port: `key` names that. */
export interface ClientAffinity {
  readonly key: string
  readonly timeoutSeconds: number
}

export type ServiceChoice =
  | {
      readonly kind: 'targets'
      /** At least one, in a fixed order; each may be picked. */
      readonly targets: readonly ServiceTarget[]
      readonly affinity: ClientAffinity | undefined
    }
  | { readonly kind: 'refused'; readonly reason: ServiceRefusal }

/**
 * `noEndpoints`: none anywhere is usable. `noLocalEndpoints`: internalTrafficPolicy is Local and
 * this node has none; kube-proxy drops, we refuse at once, as a proxy has accepted already.
 */
export type ServiceRefusal = 'noSuchPort' | 'noEndpoints' | 'noLocalEndpoints'

/** Endpoints by number, wherever they are kept. */
export interface EndpointList {
  readonly length: number
  family(index: number): IpFamily
  /** Undefined: it does not serve that service port. */
  targetPort(index: number, servicePort: number): number | undefined
  /** The same for all with this address and port. */
  identity(index: number, targetPort: number): string
  node(index: number): string
  ready(index: number): boolean
  serving(index: number): boolean
  terminating(index: number): boolean
  zoneHints(index: number): readonly string[]
  nodeHints(index: number): readonly string[]
}

export type EndpointChoice =
  /** Numbers of the list, at least one, in a fixed order. */
  | { readonly kind: 'chosen'; readonly indexes: readonly number[] }
  | { readonly kind: 'refused'; readonly reason: ServiceRefusal }

/** See chooseEndpoints. */
export function serviceEndpoints(service: Service, ask: ServiceAsk): ServiceChoice {
  const { endpoints, clientIpAffinitySeconds: timeoutSeconds, key } = service
  const choice = chooseEndpoints(service, listOf(endpoints), ask)
  if (choice.kind === 'refused') return choice
  return {
    kind: 'targets',
    targets: choice.indexes.flatMap((index) => {
      const endpoint = endpoints[index]
      const port = endpoint?.ports[ask.port]
      return endpoint === undefined || port === undefined
        ? []
        : [{ endpoint, address: endpoint.address, port }]
    }),
    affinity: timeoutSeconds > 0 ? { key: `${key}:${ask.port}`, timeoutSeconds } : undefined,
  }
}

function listOf(endpoints: readonly Endpoint[]): EndpointList {
  const at = (index: number): Endpoint => {
    const endpoint = endpoints[index]
    if (endpoint === undefined) throw new RangeError(`there is no endpoint ${index}`)
    return endpoint
  }
  return {
    length: endpoints.length,
    family: (index) => familyOf(at(index).address.ip),
    targetPort: (index, servicePort) => at(index).ports[servicePort],
    identity: (index, targetPort) => `${addressKey(at(index).address)}/${targetPort}`,
    node: (index) => at(index).node,
    ready: (index) => at(index).ready,
    serving: (index) => at(index).serving,
    terminating: (index) => at(index).terminating,
    zoneHints: (index) => at(index).zoneHints,
    nodeHints: (index) => at(index).nodeHints,
  }
}

/**
 * The endpoints that kube-proxy would send this connection to (pkg/proxy/topology.go,
 * CategorizeEndpoints): ready ones that the topology hints allow; without any, those that are
 * serving while they terminate (KEP-1669); with internalTrafficPolicy Local (KEP-2086), only those
 * on the client's node.
 */
export function chooseEndpoints(
  service: Omit<Service, 'endpoints'>,
  list: EndpointList,
  ask: ServiceAsk,
): EndpointChoice {
  const { port, address } = ask
  const servicePort = service.ports.find((candidate) => candidate.port === port)
  if (servicePort === undefined) return refused('noSuchPort')
  const family = familyOf(address.ip)
  const serving = numbersOf(list).filter(
    (index) => list.targetPort(index, port) !== undefined && list.family(index) === family,
  )
  const every = service.publishNotReadyAddresses
  // From a pod, external addresses are balanced over all endpoints, whatever externalTrafficPolicy
  // says.
  const local = service.internalTrafficPolicy === 'local' && !hasExternal(service, address)
  const usable = local
    ? readyOrTerminating(
        serving.filter((index) => isOn(list.node(index), ask.node)),
        list,
        every,
      )
    : byTopology(readyOrTerminating(serving, list, every), list, every, ask)
  if (usable.length === 0) {
    const elsewhere = local && readyOrTerminating(serving, list, every).length > 0
    return refused(elsewhere ? 'noLocalEndpoints' : 'noEndpoints')
  }
  return { kind: 'chosen', indexes: eachOnce(usable, list, port) }
}

function numbersOf({ length }: EndpointList): readonly number[] {
  return Array.from({ length }, (_, index) => index)
}

function refused(reason: ServiceRefusal): { readonly kind: 'refused'; reason: ServiceRefusal } {
  return { kind: 'refused', reason }
}

function isOn(node: string, clientNode: string): boolean {
  return node !== '' && node === clientNode
}

/** @param every whoever deals with endpoints is to disregard readiness (Service API) */
function readyOrTerminating(
  indexes: readonly number[],
  list: EndpointList,
  every: boolean,
): readonly number[] {
  const ready = indexes.filter((index) => every || list.ready(index))
  if (ready.length > 0) return ready
  return indexes.filter((index) => list.serving(index) && list.terminating(index))
}

/**
 * Hints count only when every ready endpoint has one, and one is for here: node hints first
 * (KEP-3015), then zone hints (KEP-2433, KEP-4444). Endpoints that are terminating are chosen
 * without.
 */
function byTopology(
  indexes: readonly number[],
  list: EndpointList,
  every: boolean,
  { node, zone }: ServiceAsk,
): readonly number[] {
  const ready = indexes.every((index) => every || list.ready(index))
  if (!ready) return indexes
  if (indexes.every((index) => list.nodeHints(index).length > 0)) {
    const near = indexes.filter((index) => list.nodeHints(index).includes(node))
    if (near.length > 0) return near
  }
  if (indexes.every((index) => list.zoneHints(index).length > 0)) {
    const near = indexes.filter((index) => list.zoneHints(index).includes(zone))
    if (near.length > 0) return near
  }
  return indexes
}

/**
 * Each address and port once: an address may be listed twice with the same target (overlapping
 * slices).
 */
function eachOnce(
  indexes: readonly number[],
  list: EndpointList,
  servicePort: number,
): readonly number[] {
  const seen = new Set<string>()
  return indexes.filter((index) => {
    const port = list.targetPort(index, servicePort)
    if (port === undefined) return false
    const identity = list.identity(index, port)
    return !seen.has(identity) && seen.add(identity)
  })
}
