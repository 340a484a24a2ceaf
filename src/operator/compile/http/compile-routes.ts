import { compareNames } from '../../../model/diff.ts'
import type { HttpRule, PortRoutes, ServiceRoutes } from '../../../model/http-routes.ts'
import { attach } from './attach.ts'
import { resolveRule, type RouteSurroundings, serviceKey, type Unresolved } from './resolve-rule.ts'
import { type RouteCondition, routeConditions } from './route-conditions.ts'
import type { HttpRouteFacts } from './route-facts.ts'

/** What is told on an HTTPRoute, as far as Sluice has a say in it. */
export interface RouteStatus {
  readonly namespace: string
  readonly name: string
  readonly generation: number
  readonly parents: readonly RouteParentStatus[]
}

export interface RouteParentStatus {
  /** As it was written. */
  readonly parentRef: object
  readonly conditions: readonly RouteCondition[]
}

/** A route, resolved: where its rules go, and what is told of it. */
export interface CompiledRoute {
  readonly status: RouteStatus
  readonly created: string
  /** Good ones alone. */
  readonly rules: readonly HttpRule[]
  readonly targets: readonly RouteTarget[]
}

export interface RouteTarget {
  /** Key of the service. */
  readonly service: string
  readonly port: number
  /** As in PortRoutes. */
  readonly clients: string
}

/** One route by itself: made again when it or a Service that it names changes. */
export function compileRoute(facts: HttpRouteFacts, around: RouteSurroundings): CompiledRoute {
  const { namespace, name, generation, created, hasHostnames } = facts
  const unresolved: Unresolved[] = []
  const rules = facts.rules
    .filter(({ errors }) => errors.length === 0)
    .map((rule) =>
      resolveRule(`${namespace}/${name}`, rule, around, (problem) => unresolved.push(problem)),
    )
  const targets = new Map<string, RouteTarget>()
  const parents = facts.parents.map((parent): RouteParentStatus => {
    const attachment = attach(parent, around)
    const problem = 'problem' in attachment ? attachment.problem : ''
    const conditions = routeConditions(facts.rules, problem, unresolved, hasHostnames)
    if ('service' in attachment) {
      const service = serviceKey(attachment.service, around.clusterDomain)
      const clients = parent.namespace === namespace ? '' : namespace
      for (const port of attachment.ports) {
        targets.set(`${service} ${port}`, { service, port, clients })
      }
    }
    return { parentRef: parent.ref, conditions }
  })
  return {
    status: { namespace, name, generation, parents },
    created,
    rules,
    targets: rules.length === 0 ? [] : [...targets.values()],
  }
}

/**
 * All routes of one service. Those of one kind (the producer's, and each client namespace's own)
 * are merged with each other; ties between their matches go to the older route, then by name.
 * @returns undefined where none is attached: the service is as it is without routes
 */
export function mergeRoutes(
  service: string,
  routes: readonly CompiledRoute[],
): ServiceRoutes | undefined {
  const tables = new Map<string, { port: number; clients: string; rules: HttpRule[] }>()
  for (const { rules, targets } of [...routes].sort(byAge)) {
    for (const target of targets) {
      if (target.service !== service) continue
      const { port, clients } = target
      const key = `${port} ${clients}`
      const table = tables.get(key) ?? { port, clients, rules: [] }
      tables.set(key, table)
      table.rules.push(...rules)
    }
  }
  if (tables.size === 0) return undefined
  return { type: 'routes', service, tables: [...tables.values()].sort(byPort) }
}

function byAge(a: CompiledRoute, b: CompiledRoute): number {
  return (
    compareNames(a.created, b.created) ||
    compareNames(`${a.status.namespace}/${a.status.name}`, `${b.status.namespace}/${b.status.name}`)
  )
}

function byPort(a: PortRoutes, b: PortRoutes): number {
  return a.port - b.port || compareNames(a.clients, b.clients)
}
