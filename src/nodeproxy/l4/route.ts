import type { Balancer } from '../balance/balancer.ts'
import { type Target, targetKey } from '../balance/target.ts'
import { type CarriedAs, carriedAs } from '../codecs/protocol-choice.ts'
import type { WorkloadFacts } from '../flat/profile.ts'
import { type Refusal, refuse } from '../policy/refusal.ts'
import { familyOf, isAddressOf, type PodView } from './pod.ts'
import type { ServiceName } from './service-view.ts'
import type { Tables } from './tables.ts'

/** Where an outbound connection goes. */
export type Route =
  /** Nobody here knows the address yet. */
  | { readonly kind: 'ask' }
  | {
      readonly kind: 'service'
      readonly service: ServiceName
      readonly balancer: Balancer
      readonly external: boolean
      readonly carriedAs: CarriedAs
    }
  | {
      readonly kind: 'workload'
      readonly target: Target
      readonly workload: WorkloadFacts | undefined
    }
  /** Not in the mesh: to the address that the app asked for, counted. */
  | { readonly kind: 'outside' }
  | { readonly kind: 'refused'; readonly refusal: Refusal; readonly service?: ServiceName }

export interface RouteSettings {
  readonly outside: 'allow' | 'refuse'
}

/** Routes one connection of a pod by the address and port that its app asked for. Pure. */
export function routeOutbound(
  pod: PodView,
  address: string,
  port: number,
  tables: Tables,
  settings: RouteSettings,
): Route {
  // Its own address needs no answer: who else could have it.
  if (isAddressOf(pod, address)) {
    return toWorkload(address, port, tables.workload(pod.workload), pod.workload)
  }
  const answer = tables.address(address)
  if (answer === undefined) return { kind: 'ask' }
  for (const { key, external } of answer.services) {
    const entry = tables.service(key)
    if (entry === undefined) return { kind: 'ask' }
    const found = entry.port(port, familyOf(address), external)
    if (found !== undefined) {
      // Who attaches HTTP routes to a port says by that what it speaks.
      const routed = tables.routes(key, port, pod.namespace) !== undefined
      const as = routed ? 'http1' : carriedAs(found.view.appProtocol)
      const { refusal } = found.view
      // A request can be answered with a reason, and the next one may find an endpoint.
      if (refusal !== undefined && as === 'opaque') return refused(refusal, entry.name)
      return {
        kind: 'service',
        service: entry.name,
        balancer: found.balancer,
        external,
        carriedAs: as,
      }
    }
  }
  const owner = answer.services.find(({ external }) => !external)
  if (owner !== undefined) {
    const refusal = refuse('noSuchPort', `service ${owner.key} has no port ${port}`)
    return refused(refusal, tables.service(owner.key)?.name)
  }
  if (answer.workload === '') return outside(address, port, settings)
  return toWorkload(address, port, tables.workload(answer.workload), answer.workload)
}

/** What an address that did not become known in time counts as. */
export function routeUnanswered(
  pod: PodView,
  address: string,
  port: number,
  settings: RouteSettings,
): Route {
  if (pod.failureMode === 'open') return outside(address, port, settings)
  return refused(
    refuse(
      'notKnownInTime',
      `${address} port ${port}; is the operator reachable? see sluice_config_connected`,
    ),
  )
}

function outside(address: string, port: number, settings: RouteSettings): Route {
  if (settings.outside === 'allow') return { kind: 'outside' }
  return refused(
    refuse('outsideRefused', `${address} port ${port}; allow it by the mesh setting 'outside'`),
  )
}

function toWorkload(
  address: string,
  port: number,
  workload: WorkloadFacts | undefined,
  uid: string,
): Route {
  const target = { key: targetKey(address, port), address, port, workload: uid }
  return { kind: 'workload', target, workload }
}

function refused(refusal: Refusal, service?: ServiceName): Route {
  return { kind: 'refused', refusal, ...(service === undefined ? {} : { service }) }
}
