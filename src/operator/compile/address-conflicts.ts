import { compareNames } from '../../model/diff.ts'
import type { Facts, ServiceFacts } from './facts.ts'
import type { ReportProblem } from './problem.ts'

/**
 * Takes from services the cluster IPs that another one has: the older keeps it, as the API server
 * would have refused the younger. External addresses may be shared, as long as the ports differ.
 */
export function withoutAddressConflicts(
  services: readonly ServiceFacts[],
  report: ReportProblem,
): readonly ServiceFacts[] {
  const owners = new Map<string, ServiceFacts>()
  for (const service of [...services].sort(byAge)) {
    for (const key of claimsOf(service)) if (!owners.has(key)) owners.set(key, service)
  }
  return services.map((service) => withoutTaken(service, (key) => owners.get(key), report))
}

/** What a service wants for itself: its cluster IPs, and ports of external addresses. */
export function claimsOf({ clusterIps, externalIps, ports }: ServiceFacts): readonly string[] {
  return [...clusterIps, ...externalIps.flatMap((ip) => ports.map(({ port }) => `${ip} ${port}`))]
}

/** The one of several that has what all claim. */
export function oldestOf(services: readonly ServiceFacts[]): ServiceFacts | undefined {
  return [...services].sort(byAge)[0]
}

/** @param ownerOf who has what is claimed: see claimsOf */
export function withoutTaken(
  service: ServiceFacts,
  ownerOf: (claim: string) => ServiceFacts | undefined,
  report: ReportProblem,
): ServiceFacts {
  const taken = service.clusterIps.filter((ip) => ownerOf(ip) !== service)
  for (const ip of taken) reportTaken(service, ip, ownerOf(ip), report)
  for (const ip of service.externalIps) {
    for (const { port } of service.ports) {
      const first = ownerOf(`${ip} ${port}`)
      if (first !== service) reportShared(service, `${ip} port ${port}`, first, report)
    }
  }
  if (taken.length === 0) return service
  return { ...service, clusterIps: service.clusterIps.filter((ip) => !taken.includes(ip)) }
}

export function byAge(a: Facts, b: Facts): number {
  return (
    compareNames(a.created, b.created) ||
    compareNames(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`)
  )
}

function reportTaken(
  service: ServiceFacts,
  ip: string,
  owner: ServiceFacts | undefined,
  report: ReportProblem,
): void {
  report({
    severity: 'error',
    kind: 'Service',
    namespace: service.namespace,
    name: service.name,
    field: 'spec.clusterIPs',
    message: `has ${ip}, which Service ${owner?.namespace}/${owner?.name} has`,
    fix: 'give each service an address of its own, or let Kubernetes choose',
    effect: 'the older service has the address',
  })
}

function reportShared(
  service: ServiceFacts,
  what: string,
  other: ServiceFacts | undefined,
  report: ReportProblem,
): void {
  report({
    severity: 'warning',
    kind: 'Service',
    namespace: service.namespace,
    name: service.name,
    field: 'spec.externalIPs',
    message: `has ${what}, which Service ${other?.namespace}/${other?.name} has too`,
    fix: 'use another address or another port',
    effect: 'which of them gets a connection is not defined',
  })
}
