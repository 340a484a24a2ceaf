import type { HttpBackend, HttpFilters, HttpRule } from '../../../model/http-routes.ts'
import type { Lookup, ServiceFacts } from '../facts.ts'
import type { BackendFacts, BackendRef, FilterFacts, RuleFacts } from './route-facts.ts'

export type UnresolvedReason = 'BackendNotFound' | 'InvalidKind' | 'UnsupportedProtocol'

/** A reference that leads nowhere: what is sent there is answered 500. */
export interface Unresolved {
  readonly reason: UnresolvedReason
  readonly message: string
}

export interface RouteSurroundings {
  /** By `namespace/name`. */
  readonly services: Lookup<ServiceFacts>
  readonly clusterDomain: string
}

/** Only these of a port's protocols are carried as HTTP; '' is found out by its first bytes. */
export function isHttp(appProtocol: string): boolean {
  return appProtocol === '' || appProtocol === 'http'
}

export function serviceKey(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  clusterDomain: string,
): string {
  return `${namespace}/${name}.${namespace}.svc.${clusterDomain}`
}

/**
 * Follows a rule's references. In a mesh no ReferenceGrant is needed for other namespaces: a route
 * lets nobody reach what he could not reach without it.
 */
export function resolveRule(
  route: string,
  facts: RuleFacts,
  around: RouteSurroundings,
  report: (problem: Unresolved) => void,
): HttpRule {
  const { name, matches, requestTimeoutMs, backendTimeoutMs, retry } = facts
  const filters = resolveFilters(facts.filters, around, report)
  return {
    route,
    name,
    matches,
    filters: filters ?? {},
    backends:
      filters === undefined
        ? [refusing]
        : facts.backends
            .map((backend) => resolveBackend(backend, around, report))
            .filter(({ weight }) => weight > 0),
    requestTimeoutMs,
    backendTimeoutMs,
    ...(retry === undefined ? {} : { retry }),
  }
}

const refusing: HttpBackend = { service: '', port: 0, weight: 1 }

function resolveBackend(
  { ref, weight, filters }: BackendFacts,
  around: RouteSurroundings,
  report: (problem: Unresolved) => void,
): HttpBackend {
  const service = resolveRef(ref, around, report)
  const own = resolveFilters(filters, around, report)
  if (service === undefined || own === undefined) return { ...refusing, weight }
  const bare: HttpBackend = { service, port: ref.port, weight }
  return Object.keys(own).length === 0 ? bare : { ...bare, filters: own }
}

/**
 * @returns undefined where one of them cannot be applied here: what it would have seen must not go
 *     on without it
 */
function resolveFilters(
  { mirrors, foreign, ...plain }: FilterFacts,
  around: RouteSurroundings,
  report: (problem: Unresolved) => void,
): HttpFilters | undefined {
  for (const field of foreign) {
    report({ reason: 'InvalidKind', message: `${field} is a filter that Sluice does not know` })
  }
  if (foreign.length > 0) return undefined
  const resolved = mirrors.flatMap(({ ref, numerator, denominator }) => {
    const service = resolveRef(ref, around, report)
    return service === undefined ? [] : [{ service, port: ref.port, numerator, denominator }]
  })
  return resolved.length === 0 ? plain : { ...plain, mirrors: resolved }
}

/** @returns the key of the service; undefined when it is invalid, which is reported */
function resolveRef(
  ref: BackendRef,
  { services, clusterDomain }: RouteSurroundings,
  report: (problem: Unresolved) => void,
): string | undefined {
  const { group, kind, namespace, name, port, field } = ref
  const refuse = (reason: UnresolvedReason, message: string): undefined => {
    report({ reason, message: `${field} ${message}` })
    return undefined
  }
  if (kind !== 'Service' || (group !== '' && group !== 'core')) {
    return refuse('InvalidKind', `is a ${kind} of group ${JSON.stringify(group)}, not a Service`)
  }
  const service = services.get(`${namespace}/${name}`)
  if (service === undefined) {
    return refuse('BackendNotFound', `names Service ${namespace}/${name}, which does not exist`)
  }
  if (service.isAlias) {
    return refuse('InvalidKind', `names Service ${namespace}/${name}, an ExternalName`)
  }
  if (port === 0) return refuse('BackendNotFound', 'names no port, which a Service needs')
  const found = service.ports.find((each) => each.port === port)
  if (found === undefined) {
    const message = `names port ${port}, which Service ${namespace}/${name} does not have`
    return refuse('BackendNotFound', message)
  }
  if (!isHttp(found.appProtocol)) {
    const message = `names port ${port} of Service ${namespace}/${name}, which speaks`
    return refuse('UnsupportedProtocol', `${message} ${found.appProtocol} and not HTTP/1.1`)
  }
  return serviceKey(service, clusterDomain)
}
