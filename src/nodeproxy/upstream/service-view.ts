import { familyOf } from '../../model/ip.ts'
import type { NetworkAddress, Service } from '../../model/resources.ts'
import { type ServiceChoice, serviceEndpoints } from '../../model/service-endpoints.ts'
import { targetKey } from '../balance/target.ts'
import type { PortView, ServiceName, ServiceView } from '../l4/service-view.ts'
import { refuse } from '../policy/refusal.ts'

/** Where the clients of a node are: what the choice of endpoints depends on. */
export interface ClientPlace {
  readonly node: string
  readonly zone: string
}

/**
 * A service as its node's workers need it: for each port, family and kind of address its endpoints.
 */
export function serviceView(service: Service, place: ClientPlace): ServiceView {
  return {
    ...serviceName(service),
    clientAffinitySeconds: service.clientIpAffinitySeconds,
    ports: asksOf(service).flatMap(({ address, external }) =>
      service.ports.map(({ port }) => {
        const choice = serviceEndpoints(service, { address, port, ...place })
        return portView(service, { port, family: numberOf(address), external }, choice)
      }),
    ),
  }
}

export function serviceName({ key, namespace, name, hostname }: ServiceName): ServiceName {
  return { key, namespace, name, hostname }
}

/**
 * One address of each kind that makes a difference: families, and external ones where policy is
 * local.
 */
function asksOf(service: Service): readonly { address: NetworkAddress; external: boolean }[] {
  const externals = service.externalAddresses ?? []
  const isExternal = ({ network, ip }: NetworkAddress): boolean =>
    externals.some((one) => one.ip === ip && one.network === network)
  const apart = service.internalTrafficPolicy === 'local'
  const asks = new Map<string, { address: NetworkAddress; external: boolean }>()
  for (const address of service.addresses) {
    const external = apart && isExternal(address)
    asks.set(`${familyOf(address.ip)} ${external}`, { address, external })
  }
  return [...asks.values()]
}

function portView(
  service: Service,
  port: Pick<PortView, 'port' | 'family' | 'external'>,
  choice: ServiceChoice,
): PortView {
  if (choice.kind === 'refused') {
    const subject = `service ${service.key} port ${port.port}, IPv${port.family}`
    return { ...port, targets: [], refusal: refuse(choice.reason, subject) }
  }
  const targets = choice.targets.map((target) => ({
    key: targetKey(target.address.ip, target.port),
    address: target.address.ip,
    port: target.port,
    workload: target.endpoint.workload,
    node: target.endpoint.node,
  }))
  return { ...port, targets, refusal: undefined }
}

function numberOf({ ip }: NetworkAddress): 4 | 6 {
  return familyOf(ip) === 'ipv4' ? 4 : 6
}
