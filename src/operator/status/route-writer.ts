import { mergeParentStatus, type ParentStatus } from '../compile/http/merge-status.ts'
import type { RouteParentStatus, RouteStatus } from '../compile/http/compile-routes.ts'
import type { KeptRoute } from '../foreign/http-route.ts'
import { controllerName } from '../foreign/mesh.ts'
import { isStatus, type KubeApi } from '../kube/api.ts'
import type { Spread } from '../publish/publisher.ts'
import { createRateLimit, createRateLimits } from '../publish/rate-limit.ts'
import { isAttached, liveCondition } from './live-condition.ts'

/** HTTPRoutes as they are in the cluster, and what there is to be told of them. */
export interface RoutesToTell {
  /** Of the API, which is followed; empty: none. */
  readonly version: string
  /** By `namespace/name`. */
  readonly objects: ReadonlyMap<string, KeptRoute>
  readonly statuses: ReadonlyMap<string, RouteStatus>
  /** Of a Service's routes. */
  readonly spreadOf: (service: { readonly namespace: string; readonly name: string }) => Spread
}

/** Tells on HTTPRoutes whether they are in force. */
export interface RouteWriter {
  /** @returns 0, or after how many milliseconds to come again */
  write(routes: RoutesToTell): Promise<number>
}

/** Of one route: somebody else who writes our entries is not written against for ever. */
const rateOfOne = { burst: 5, perSecond: 0.1 }
/** Of all: nodes that come and go change what is told of every route. */
const rateOfAll = { burst: 100, perSecond: 10 }

/** What was told of an object, and which of its versions that was written over or found in. */
interface Told {
  readonly status: RouteStatus
  readonly live: string
  readonly versions: readonly string[]
}

export function createRouteWriter(api: KubeApi): RouteWriter {
  const ofOne = createRateLimits(rateOfOne)
  const ofAll = createRateLimit(rateOfAll)
  const told = new Map<string, Told>()

  /** @returns milliseconds to wait for the next one, when it could not be written now */
  async function tell(key: string, route: KeptRoute, wanted: Wanted, version: string) {
    const { status, parents, live } = wanted
    const { resourceVersion } = route.metadata
    const merged = mergeParentStatus(
      route.parents,
      { generation: status.generation, parents },
      controllerName,
      new Date().toISOString(),
    )
    if (merged === undefined) {
      told.set(key, { status, live, versions: [resourceVersion] })
      return 0
    }
    const now = performance.now()
    const waitMs = ofOne.take(key, now) || ofAll.take(now)
    if (waitMs > 0) return waitMs
    const left = await patch(api, version, route, merged)
    const versions = left === resourceVersion ? [left] : [resourceVersion, left]
    told.set(key, { status, live, versions })
    return 0
  }

  return {
    async write(routes) {
      let waitMs = 0
      const { objects, statuses, version } = routes
      for (const key of told.keys()) if (!objects.has(key)) told.delete(key)
      for (const [key, route] of objects) {
        const status = statuses.get(key)
        // What is not compiled yet is told when it is.
        if (status === undefined || status.generation !== route.metadata.generation) continue
        const wanted = wantedOf(route, status, routes)
        if (isTold(told.get(key), route, wanted)) continue
        waitMs = Math.max(waitMs, await tell(key, route, wanted, version))
      }
      return waitMs
    },
  }
}

interface Wanted {
  readonly status: RouteStatus
  readonly parents: readonly RouteParentStatus[]
  /** What of it changes without the route. */
  readonly live: string
}

function wantedOf(route: KeptRoute, status: RouteStatus, { spreadOf }: RoutesToTell): Wanted {
  const own = route.metadata.namespace
  const parents = status.parents.map((parent): RouteParentStatus => {
    const { namespace = own, name = '' } = parent.parentRef as Partial<Record<string, string>>
    const live = liveCondition(isAttached(parent) ? spreadOf({ namespace, name }) : undefined)
    return { ...parent, conditions: [...parent.conditions, live] }
  })
  const live = parents.map(({ conditions }) => conditions.at(-1)?.message).join('\n')
  return { status, parents, live }
}

/**
 * An object is not looked at again before it or what is told of it is another; and once it was
 * written over, not before the watch has brought what came of that.
 */
function isTold(before: Told | undefined, { metadata }: KeptRoute, now: Wanted): boolean {
  if (before === undefined || !before.versions.includes(metadata.resourceVersion)) return false
  const isOver = before.versions.length > 1 && before.versions[0] === metadata.resourceVersion
  return isOver || (before.status === now.status && before.live === now.live)
}

/**
 * The list is one value to the API server, so all of it is written, over the version that was read
 * alone: of what others write meanwhile nothing is lost.
 *
 * @returns the object's version then; empty when it was another one already, or is gone
 */
async function patch(
  api: KubeApi,
  version: string,
  { metadata }: KeptRoute,
  parents: readonly ParentStatus[],
): Promise<string> {
  const { namespace, name, resourceVersion } = metadata
  const group = `/apis/gateway.networking.k8s.io/${version}`
  try {
    const written = (await api.call({
      method: 'PATCH',
      path: `${group}/namespaces/${namespace}/httproutes/${encodeURIComponent(name)}/status`,
      body: { metadata: { resourceVersion }, status: { parents } },
      contentType: 'application/merge-patch+json',
    })) as { readonly metadata?: { readonly resourceVersion?: string } }
    return written.metadata?.resourceVersion ?? ''
  } catch (error) {
    if (isStatus(error, 404) || isStatus(error, 409)) return ''
    throw error
  }
}
