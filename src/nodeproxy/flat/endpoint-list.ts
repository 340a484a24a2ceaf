import type { EndpointList } from '../../model/service-endpoints.ts'
import {
  hasBit,
  hintsAt,
  ipAt,
  isIpv6At,
  kindAt,
  kindBits,
  nodeAt,
  type ServiceTable,
} from './service-table.ts'

/** The endpoints of a table, for the choice among them. */
export function endpointListOf(table: ServiceTable): EndpointList {
  return {
    length: table.count,
    family: (index) => (isIpv6At(table, index) ? 'ipv6' : 'ipv4'),
    targetPort: (index, servicePort) => kindAt(table, index).ports[servicePort],
    identity: (index, targetPort) =>
      `${kindAt(table, index).network}/${ipAt(table, index)}/${targetPort}`,
    node: (index) => nodeAt(table, index),
    ready: (index) => hasBit(table, index, kindBits.ready),
    serving: (index) => hasBit(table, index, kindBits.serving),
    terminating: (index) => hasBit(table, index, kindBits.terminating),
    zoneHints: (index) => hintsAt(table, index)[0],
    nodeHints: (index) => hintsAt(table, index)[1],
  }
}
