import type { ServiceRoutes } from '../../../model/http-routes.ts'
import type { ServiceFacts } from '../facts.ts'
import { compileRoute, mergeRoutes } from './compile-routes.ts'
import { readHttpRoute } from './read-http-route.ts'

/** Routes have no facts of the kind that others have: a bad rule of one is told in its status. */
export function isHttpRoute(object: unknown): object is object {
  return (
    typeof object === 'object' &&
    object !== null &&
    (object as { readonly kind?: unknown }).kind === 'HTTPRoute'
  )
}

/** All routes of all services at once. */
export function compileHttpRoutes(
  objects: readonly object[],
  services: readonly ServiceFacts[],
  clusterDomain: string,
): readonly ServiceRoutes[] {
  const byName = new Map(services.map((facts) => [`${facts.namespace}/${facts.name}`, facts]))
  // Of two with one name the first counts, as of all objects.
  const routes = new Map<string, ReturnType<typeof readHttpRoute>>()
  for (const object of objects) {
    const facts = readHttpRoute(object)
    const key = `${facts.namespace}/${facts.name}`
    if (!routes.has(key)) routes.set(key, facts)
  }
  const compiled = [...routes.values()].map((facts) =>
    compileRoute(facts, { services: byName, clusterDomain }),
  )
  const attached = Map.groupBy(
    compiled.flatMap((route) =>
      [...new Set(route.targets.map(({ service }) => service))].map((service) => ({
        service,
        route,
      })),
    ),
    ({ service }) => service,
  )
  return [...attached].flatMap(
    ([service, all]) =>
      mergeRoutes(
        service,
        all.map(({ route }) => route),
      ) ?? [],
  )
}
