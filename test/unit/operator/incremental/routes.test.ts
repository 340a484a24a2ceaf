// Routes and Services that come, change and go: what is held is what compiling the whole gives.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { readFields } from '../../../../src/model/fields.ts'
import type { ServiceRoutes } from '../../../../src/model/http-routes.ts'
import type { ServiceFacts } from '../../../../src/operator/compile/facts.ts'
import {
  compileRoute,
  mergeRoutes,
  type RouteStatus,
} from '../../../../src/operator/compile/http/compile-routes.ts'
import { readHttpRoute } from '../../../../src/operator/compile/http/read-http-route.ts'
import { serviceKey } from '../../../../src/operator/compile/http/resolve-rule.ts'
import type { HttpRouteFacts } from '../../../../src/operator/compile/http/route-facts.ts'
import { readService } from '../../../../src/operator/compile/read-service.ts'
import { createIncrementalRoutes } from '../../../../src/operator/incremental/routes.ts'

const clusterDomain = 'cluster.local'
const namespaces = ['a', 'b']
const names = ['web', 'api', 'db']

const anyService = fc
  .record({
    namespace: fc.constantFrom(...namespaces),
    name: fc.constantFrom(...names),
    clusterIP: fc.constantFrom('10.0.0.1', '10.0.0.1', 'None'),
    ports: fc.constantFrom(
      [{ name: 'http', port: 80 }],
      [
        { name: 'http', port: 80 },
        { name: 'grpc', port: 81 },
      ],
    ),
  })
  .map(({ namespace, name, ...spec }) =>
    readService(readFields({ metadata: { namespace, name }, spec }, '', () => {})),
  )

const anyRef = fc.record({
  namespace: fc.constantFrom(...namespaces),
  name: fc.constantFrom(...names),
  port: fc.constantFrom(80, 80, 81),
})

const anyRoute = fc
  .record({
    namespace: fc.constantFrom(...namespaces),
    name: fc.constantFrom('r1', 'r2', 'r3'),
    creationTimestamp: fc.constantFrom('2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'),
    parents: fc.array(anyRef, { maxLength: 3 }),
    backendRefs: fc.array(anyRef, { maxLength: 3 }),
    mirror: fc.option(anyRef, { nil: undefined }),
    bad: fc.boolean(),
  })
  .map(({ parents, backendRefs, mirror, bad, ...metadata }) => ({
    kind: 'HTTPRoute',
    metadata: { ...metadata, generation: 1 },
    spec: {
      parentRefs: parents.map((ref) => ({ ...ref, group: '', kind: 'Service' })),
      rules: [
        {
          backendRefs,
          filters:
            mirror === undefined
              ? []
              : [{ type: 'RequestMirror', requestMirror: { backendRef: mirror } }],
        },
        ...(bad ? [{ timeouts: { request: 'soon' } }] : []),
      ],
    },
  }))

interface Removal {
  readonly remove: 'service' | 'route'
  readonly key: string
}

const anyRemoval = fc.record<Removal>({
  remove: fc.constantFrom('service', 'route'),
  key: fc.constantFrom('a/web', 'b/web', 'a/api', 'a/r1', 'b/r1', 'a/r2', 'b/r2'),
})

type Step = ServiceFacts | { readonly metadata: object } | Removal

function whole(
  services: ReadonlyMap<string, ServiceFacts>,
  routes: ReadonlyMap<string, HttpRouteFacts>,
) {
  const compiled = [...routes.values()].map((route) =>
    compileRoute(route, { services, clusterDomain }),
  )
  return {
    routes: new Map(
      [...services.values()].flatMap((service): readonly (readonly [string, ServiceRoutes])[] => {
        const key = serviceKey(service, clusterDomain)
        const own = mergeRoutes(key, compiled)
        return own === undefined ? [] : [[key, own]]
      }),
    ),
    statuses: new Map(compiled.map(({ status }) => [`${status.namespace}/${status.name}`, status])),
  }
}

function keep<T>(held: Map<string, T>, changes: ReadonlyMap<string, T | undefined>): void {
  for (const [key, now] of changes) {
    if (now === undefined) held.delete(key)
    else held.set(key, now)
  }
}

test('after any history it holds what the whole gives, and says each change once', () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(fc.oneof<fc.Arbitrary<Step>[]>(anyService, anyRoute, anyRemoval), fc.boolean()),
        {
          maxLength: 40,
        },
      ),
      (steps) => {
        const services = new Map<string, ServiceFacts>()
        const routes = new Map<string, HttpRouteFacts>()
        const incremental = createIncrementalRoutes(services, clusterDomain)
        const held = new Map<string, ServiceRoutes>()
        const statuses = new Map<string, RouteStatus>()
        const check = () => {
          const changes = incremental.flush()
          keep(held, changes.routes)
          keep(statuses, changes.statuses)
          assert.deepEqual({ routes: held, statuses }, whole(services, routes))
          assert.equal(incremental.flush().routes.size, 0)
        }
        for (const [step, flushes] of steps) {
          if ('remove' in step) {
            if (step.remove === 'service') {
              services.delete(step.key)
              incremental.serviceChanged(step.key)
            } else {
              routes.delete(step.key)
              incremental.remove(step.key)
            }
          } else if ('metadata' in step) {
            const facts = readHttpRoute(step)
            routes.set(`${facts.namespace}/${facts.name}`, facts)
            incremental.put(step)
          } else {
            const key = `${step.namespace}/${step.name}`
            services.set(key, step)
            incremental.serviceChanged(key)
          }
          if (flushes) check()
        }
        check()
      },
    ),
    { numRuns: 500 },
  )
})

test('a Service that no route names makes nothing again', () => {
  const services = new Map<string, ServiceFacts>()
  const incremental = createIncrementalRoutes(services, clusterDomain)
  incremental.serviceChanged('a/web')
  const { routes, statuses } = incremental.flush()
  assert.deepEqual([routes.size, statuses.size], [0, 0])
})
