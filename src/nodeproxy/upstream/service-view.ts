import { familyOf } from '../../model/ip.ts'
import type { NetworkAddress } from '../../model/resources.ts'
import {
  chooseEndpoints,
  type EndpointChoice,
  type EndpointList,
} from '../../model/service-endpoints.ts'
import { endpointListOf } from '../flat/endpoint-list.ts'
import { headOf, openServiceTable, type ServiceHead } from '../flat/service-table.ts'
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
export function serviceView(buffer: SharedArrayBuffer, place: ClientPlace): ServiceView {
  const table = openServiceTable(buffer)
  const service = headOf(table)
  const list = endpointListOf(table)
  return {
    key: service.key,
    table: buffer,
    ports: asksOf(service, list).flatMap(({ address, external }) =>
      service.ports.map(({ port, appProtocol }) => {
        const choice = chooseEndpoints(service, list, { address, port, ...place })
        const view = { port, family: numberOf(address), external, appProtocol } as const
        return portView(service.key, view, choice, table.count)
      }),
    ),
  }
}

export function serviceName({ key, namespace, name, hostname }: ServiceName): ServiceName {
  return { key, namespace, name, hostname }
}

/**
 * One address of each kind that makes a difference: families, and external ones where policy is
 * local. A backend of routes alone has no address, and an endpoint's says the family.
 */
function asksOf(
  service: ServiceHead,
  list: EndpointList,
): readonly { address: NetworkAddress; external: boolean }[] {
  const externals = service.externalAddresses ?? []
  const named = service.addressesOmitted === true ? familiesOf(list) : service.addresses
  const isExternal = ({ network, ip }: NetworkAddress): boolean =>
    externals.some((one) => one.ip === ip && one.network === network)
  const apart = service.internalTrafficPolicy === 'local'
  const asks = new Map<string, { address: NetworkAddress; external: boolean }>()
  for (const address of named) {
    const external = apart && isExternal(address)
    asks.set(`${familyOf(address.ip)} ${external}`, { address, external })
  }
  return [...asks.values()]
}

/** Any address of each family that its endpoints have. */
function familiesOf(list: EndpointList): readonly NetworkAddress[] {
  const families = new Set(Array.from({ length: list.length }, (_, index) => list.family(index)))
  // Without endpoints there is none, and still something to refuse.
  if (families.size === 0) families.add('ipv4')
  return [...families].map((family) => ({ network: '', ip: family === 'ipv4' ? '0.0.0.0' : '::' }))
}

function portView(
  key: string,
  view: Pick<PortView, 'port' | 'family' | 'external' | 'appProtocol'>,
  choice: EndpointChoice,
  all: number,
): PortView {
  if (choice.kind === 'refused') {
    const subject = `service ${key} port ${view.port}, IPv${view.family}`
    return { ...view, refusal: refuse(choice.reason, subject), endpoints: undefined }
  }
  const { indexes } = choice
  const endpoints = indexes.length === all ? undefined : Uint32Array.from(indexes)
  return { ...view, refusal: undefined, endpoints }
}

function numberOf({ ip }: NetworkAddress): 4 | 6 {
  return familyOf(ip) === 'ipv4' ? 4 : 6
}
