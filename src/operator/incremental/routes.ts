import { sameData } from '../../model/equal.ts'
import type { ServiceRoutes } from '../../model/http-routes.ts'
import type { ServiceFacts } from '../compile/facts.ts'
import type { Lookup } from '../compile/facts.ts'
import {
  type CompiledRoute,
  compileRoute,
  mergeRoutes,
  type RouteStatus,
} from '../compile/http/compile-routes.ts'
import { readHttpRoute } from '../compile/http/read-http-route.ts'
import type { FilterFacts, HttpRouteFacts } from '../compile/http/route-facts.ts'
import { createIndexSets } from './index-sets.ts'

/** HTTPRoutes, each compiled again only when it or a Service that it names changed. */
export interface IncrementalRoutes {
  put(object: object): void
  /** @param key `namespace/name` */
  remove(key: string): void
  keys(): Iterable<string>
  /** @param key `namespace/name` */
  serviceChanged(key: string): void
  flush(): RouteChanges
}

export interface RouteChanges {
  /** By key of the service; undefined: it has none any more. */
  readonly routes: ReadonlyMap<string, ServiceRoutes | undefined>
  /** By `namespace/name` of the route; undefined: it is gone. */
  readonly statuses: ReadonlyMap<string, RouteStatus | undefined>
}

export function createIncrementalRoutes(
  services: Lookup<ServiceFacts>,
  clusterDomain: string,
): IncrementalRoutes {
  const facts = new Map<string, HttpRouteFacts>()
  const compiled = new Map<string, CompiledRoute>()
  const published = new Map<string, ServiceRoutes>()
  /** Routes by the Services that they name, and by those that they are attached to. */
  const naming = createIndexSets()
  const attached = createIndexSets()
  const dirty = new Set<string>()

  /** @returns services whose routes may be others now */
  function renew(key: string): ReadonlySet<string> {
    const before = attached.keysOf(key)
    const route = facts.get(key)
    if (route === undefined) {
      compiled.delete(key)
      attached.set(key, [])
      return before
    }
    const now = compileRoute(route, { services, clusterDomain })
    if (sameData(compiled.get(key), now)) return none
    compiled.set(key, now)
    const targets = now.targets.map(({ service }) => service)
    attached.set(key, targets)
    return new Set([...before, ...targets])
  }

  const attachedTo = (service: string) =>
    [...attached.get(service)].flatMap((key) => compiled.get(key) ?? [])

  return {
    put(object) {
      const now = readHttpRoute(object)
      const key = `${now.namespace}/${now.name}`
      // Most changes of a route are of its status.
      if (sameData(facts.get(key), now)) return
      dirty.add(key)
      facts.set(key, now)
      naming.set(key, servicesNamed(now))
    },
    remove(key) {
      dirty.add(key)
      facts.delete(key)
      naming.set(key, [])
    },
    keys: () => facts.keys(),
    serviceChanged(key) {
      for (const route of naming.get(key)) dirty.add(route)
    },
    flush() {
      const touched = new Set<string>()
      const statuses = new Map<string, RouteStatus | undefined>()
      for (const key of dirty) {
        const before = compiled.get(key)?.status
        for (const service of renew(key)) touched.add(service)
        const now = compiled.get(key)?.status
        if (!sameData(before, now)) statuses.set(key, now)
      }
      dirty.clear()
      return { routes: mergeAll(touched, attachedTo, published), statuses }
    },
  }
}

/** Merges the routes of services anew. @returns those that are others now */
function mergeAll(
  services: ReadonlySet<string>,
  attachedTo: (service: string) => readonly CompiledRoute[],
  published: Map<string, ServiceRoutes>,
): RouteChanges['routes'] {
  const changed = new Map<string, ServiceRoutes | undefined>()
  for (const service of services) {
    const now = mergeRoutes(service, attachedTo(service))
    if (sameData(published.get(service), now)) continue
    if (now === undefined) published.delete(service)
    else published.set(service, now)
    changed.set(service, now)
  }
  return changed
}

const none: ReadonlySet<string> = new Set()

/** As `namespace/name`, whether they exist or not: one that comes makes a reference good. */
function servicesNamed({ parents, rules }: HttpRouteFacts): readonly string[] {
  const mirrors = (filters: FilterFacts) => filters.mirrors.map(({ ref }) => ref)
  const refs = rules.flatMap((rule) => [
    ...mirrors(rule.filters),
    ...rule.backends.flatMap((backend) => [backend.ref, ...mirrors(backend.filters)]),
  ])
  return [...parents, ...refs].map(({ namespace, name }) => `${namespace}/${name}`)
}
