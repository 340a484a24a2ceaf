import type { ServiceFacts } from '../facts.ts'
import { isHttp, type RouteSurroundings } from './resolve-rule.ts'
import type { ParentFacts } from './route-facts.ts'

/** A parent that a route is attached to, or why it is not. */
export type Attachment =
  | { readonly service: ServiceFacts; readonly ports: readonly number[] }
  | { readonly problem: string }

/** The Service is found, and those of its ports that the reference means. */
export function attach(
  { namespace, name, port, section }: ParentFacts,
  { services }: RouteSurroundings,
): Attachment {
  const subject = `Service ${namespace}/${name}`
  const service = services.get(`${namespace}/${name}`)
  if (service === undefined) return { problem: `there is no ${subject}` }
  if (service.isAlias) return { problem: `${subject} is an ExternalName, which has no address` }
  if (service.clusterIps.length === 0) {
    return { problem: `${subject} has no cluster IP, by which its requests would be known` }
  }
  const meant = service.ports.filter(
    (each) => (port === 0 || each.port === port) && (section === '' || each.name === section),
  )
  if (meant.length === 0) {
    const parts = [
      ...(port === 0 ? [] : [`number ${port}`]),
      ...(section === '' ? [] : [`name ${JSON.stringify(section)}`]),
    ]
    return { problem: `${subject} has no TCP port of ${parts.join(' and ') || 'any kind'}` }
  }
  const spoken = meant.filter(({ appProtocol }) => isHttp(appProtocol))
  // What nobody says may be a database beside the app: it is taken for HTTP only if it must be.
  const said = spoken.filter(({ appProtocol }) => appProtocol !== '')
  const isAny = port === 0 && section === '' && said.length > 0
  const ports = (isAny ? said : spoken).map((each) => each.port)
  if (ports.length > 0) return { service, ports }
  const others = meant.map((each) => `port ${each.port} ${each.appProtocol}`).join(', ')
  return { problem: `${subject} speaks no HTTP/1.1 there (${others})` }
}
