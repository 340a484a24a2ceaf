import { hasExternal } from './destination.ts'
import { familyOf } from './ip.ts'
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

/**
 * The endpoints that kube-proxy would send this connection to (pkg/proxy/topology.go,
 * CategorizeEndpoints): ready ones that the topology hints allow; without any, those that are
 * serving while they terminate (KEP-1669); with internalTrafficPolicy Local (KEP-2086), only those
 * on the client's node.
 */
export function serviceEndpoints(service: Service, ask: ServiceAsk): ServiceChoice {
  const { port, address } = ask
  const servicePort = service.ports.find((candidate) => candidate.port === port)
  if (servicePort === undefined) return refused('noSuchPort')
  const family = familyOf(address.ip)
  const serving = service.endpoints.filter(
    (endpoint) => endpoint.ports[port] !== undefined && familyOf(endpoint.address.ip) === family,
  )
  // From a pod, external addresses are balanced over all endpoints, whatever externalTrafficPolicy
  // says.
  const local = service.internalTrafficPolicy === 'local' && !hasExternal(service, address)
  const usable = local
    ? readyOrTerminating(
        serving.filter(({ node }) => isOn(node, ask.node)),
        service,
      )
    : byTopology(readyOrTerminating(serving, service), service, ask)
  if (usable.length === 0) {
    const elsewhere = local && readyOrTerminating(serving, service).length > 0
    return refused(elsewhere ? 'noLocalEndpoints' : 'noEndpoints')
  }
  return {
    kind: 'targets',
    targets: targetsOf(usable, port),
    affinity:
      service.clientIpAffinitySeconds > 0
        ? { key: `${service.key}:${port}`, timeoutSeconds: service.clientIpAffinitySeconds }
        : undefined,
  }
}

function refused(reason: ServiceRefusal): ServiceChoice {
  return { kind: 'refused', reason }
}

function isOn(node: string, clientNode: string): boolean {
  return node !== '' && node === clientNode
}

/** Whoever deals with endpoints disregards readiness where the service says so (Service API). */
function isReady(endpoint: Endpoint, service: Service): boolean {
  return endpoint.ready || service.publishNotReadyAddresses
}

function readyOrTerminating(endpoints: readonly Endpoint[], service: Service): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => isReady(endpoint, service))
  if (ready.length > 0) return ready
  return endpoints.filter(({ serving, terminating }) => serving && terminating)
}

/**
 * Hints count only when every ready endpoint has one, and one is for here: node hints first
 * (KEP-3015), then zone hints (KEP-2433, KEP-4444). Endpoints that are terminating are chosen
 * without.
 */
function byTopology(
  endpoints: readonly Endpoint[],
  service: Service,
  { node, zone }: ServiceAsk,
): readonly Endpoint[] {
  const ready = endpoints.every((endpoint) => isReady(endpoint, service))
  if (!ready) return endpoints
  if (endpoints.every(({ nodeHints }) => nodeHints.length > 0)) {
    const near = endpoints.filter(({ nodeHints }) => nodeHints.includes(node))
    if (near.length > 0) return near
  }
  if (endpoints.every(({ zoneHints }) => zoneHints.length > 0)) {
    const near = endpoints.filter(({ zoneHints }) => zoneHints.includes(zone))
    if (near.length > 0) return near
  }
  return endpoints
}

/**
 * Each address and port once: an address may be listed twice with the same target (overlapping
 * slices).
 */
function targetsOf(endpoints: readonly Endpoint[], servicePort: number): readonly ServiceTarget[] {
  const targets = new Map<string, ServiceTarget>()
  for (const endpoint of endpoints) {
    const port = endpoint.ports[servicePort]
    if (port === undefined) continue
    const { address } = endpoint
    const key = `${address.network}/${address.ip}/${port}`
    if (!targets.has(key)) targets.set(key, { endpoint, address, port })
  }
  return [...targets.values()]
}
