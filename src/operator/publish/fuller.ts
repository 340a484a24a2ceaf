import type { Resource } from '../../model/resources.ts'

/**
 * A service may be wanted whole, as a backend of routes, or for telemetry alone: what is wanted
 * whole by one subscription is not sent as less for another.
 */
export function isFuller(resource: Resource, than: Resource | undefined): boolean {
  return than === undefined || fullnessOf(resource) > fullnessOf(than)
}

function fullnessOf(resource: Resource): number {
  if (resource.type !== 'service') return 2
  if (resource.endpointsOmitted === true) return 0
  return resource.addressesOmitted === true ? 1 : 2
}
