import type { Workload } from '../../model/resources.ts'
import type { Balancer } from '../balance/balancer.ts'
import { type Target, targetKey } from '../balance/target.ts'
import { type Refusal, refuse } from '../policy/refusal.ts'
import { familyOf, type PodView } from './pod.ts'
import type { ServiceView } from './service-view.ts'
import type { Tables } from './tables.ts'

/** Where an outbound connection goes. */
export type Route =
  /** Nobody here knows the address yet. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'service'; readonly service: ServiceView; readonly balancer: Balancer }
  | { readonly kind: 'workload'; readonly target: Target; readonly workload: Workload | undefined }
  /** Not in the mesh: to the address that the app asked for, counted. */
  | { readonly kind: 'outside' }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

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
  if (address === pod.ipv4 || address === pod.ipv6) {
    return toWorkload(address, port, tables.workload(pod.workload), pod.workload)
  }
  const answer = tables.address(address)
  if (answer === undefined) return { kind: 'ask' }
  if (answer.kind === 'absent') return outside(address, port, settings)
  if (answer.kind === 'service') return toService(answer.key, address, port, tables)
  return toWorkload(address, port, tables.workload(answer.uid), answer.uid)
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
      `${address} port ${port}; is the operator reachable? sluice_config_connected on this node says`,
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
  workload: Workload | undefined,
  uid: string,
): Route {
  const target = { key: targetKey(address, port), address, port, workload: uid }
  return { kind: 'workload', target, workload }
}

function toService(key: string, address: string, port: number, tables: Tables): Route {
  const entry = tables.service(key)
  if (entry === undefined) return { kind: 'ask' }
  const balancer = entry.balancer(port, familyOf(address))
  if (balancer !== undefined) return { kind: 'service', service: entry.view, balancer }
  const ports = entry.view.ports.map((view) => view.port).join(', ')
  return refused(refuse('noSuchPort', `service ${key} has port ${ports || 'none'}, not ${port}`))
}

function refused(refusal: Refusal): Route {
  return { kind: 'refused', refusal }
}
