import type { NetworkAddress, Service, ServicePort, Workload } from './resources.ts'
import type { MeshTables } from './tables.ts'

/** What a connection to an address and port is meant for. */
export type Destination =
  | { readonly kind: 'service'; readonly service: Service; readonly port: ServicePort }
  /** A cluster IP without this port. Refused, as by kube-proxy in nftables mode (KEP-3866). */
  | { readonly kind: 'noSuchPort'; readonly service: Service }
  /** `services` has it as an endpoint, where known: headless ones too. */
  | {
      readonly kind: 'workload'
      readonly workload: Workload
      readonly services: readonly Service[]
    }
  | { readonly kind: 'outside' }

/**
 * A service's address wins over a workload's, as kube-proxy translates before anything is routed;
 * but an external address belongs to the service on the service's ports alone.
 */
export function destinationOf(
  tables: MeshTables,
  address: NetworkAddress,
  portNumber: number,
): Destination {
  const entry = tables.at(address)
  if (entry === undefined) return { kind: 'outside' }
  for (const service of entry.services) {
    const port = service.ports.find(({ port }) => port === portNumber)
    if (port !== undefined) return { kind: 'service', service, port }
  }
  const owner = entry.services.find((service) => !hasExternal(service, address))
  if (owner !== undefined) return { kind: 'noSuchPort', service: owner }
  const { workload } = entry
  if (workload === undefined) return { kind: 'outside' }
  const services = (workload.services ?? []).flatMap((key) => tables.service(key) ?? [])
  return { kind: 'workload', workload, services }
}

/** Whether the address is one of the service's external or load balancer addresses. */
export function hasExternal(
  service: Pick<Service, 'externalAddresses'>,
  { network, ip }: NetworkAddress,
): boolean {
  return (service.externalAddresses ?? []).some(
    (external) => external.ip === ip && external.network === network,
  )
}
