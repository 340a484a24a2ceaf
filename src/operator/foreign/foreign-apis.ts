import { compareNames } from '../../model/diff.ts'
import type { ForeignKindRow, ForeignState } from '../../model/status.ts'
import type { KubeApi } from '../kube/api.ts'
import type { Reflector, ReflectorOptions } from '../kube/reflector.ts'
import { type FollowedKind, followKind } from './follow-kind.ts'
import { keepHttpRoute, type KeptRoute } from './http-route.ts'
import { type ForeignKind, grpcRoutes, httpRoutes, meshes, smiKinds } from './kinds.ts'
import { type MeshFacts, readMesh } from './mesh.ts'
import { namesService } from './service-parents.ts'

/** APIs of other projects, each followed as long as the cluster has it. */
export interface ForeignApis {
  /** XMeshes that are Sluice's. */
  readonly meshes: readonly MeshFacts[]
  readonly httpRoutes: FollowedKind<KeptRoute>
  readonly reflectors: ReadonlyMap<string, Reflector>
  rows(): readonly ForeignKindRow[]
  stop(): void
}

export interface ForeignOptions
  extends Pick<ReflectorOptions, 'random' | 'firstRetryMs' | 'absentRetryMs'> {
  readonly api: KubeApi
  readonly onError: (kind: string, error: Error) => void
  /** The XMeshes may be others. */
  readonly onMeshes: () => void
  /** One is new or another; undefined: it is gone, or not for Services any more. */
  readonly onHttpRoute: (key: string, route: KeptRoute | undefined) => void
  /** HTTPRoutes, or what is known of their kind, may be others. */
  readonly onHttpRoutes: () => void
}

const maxNames = 20

export function startForeignApis(options: ForeignOptions): ForeignApis {
  const { onError, onMeshes, onHttpRoute, onHttpRoutes, ...rest } = options
  const follow = <T>(
    kind: ForeignKind,
    read: (object: object) => T | undefined,
    onChange: () => void,
    onObject: (key: string, now: T | undefined) => void = () => {},
  ) => {
    const report = (error: Error) => onError(kind.kind, error)
    return followKind({ ...rest, kind, read, onChange, onObject, onError: report })
  }
  const nothing = () => {}
  const followedMeshes = follow(meshes, readMesh, onMeshes)
  const followedRoutes = follow(httpRoutes, keepHttpRoute, onHttpRoutes, onHttpRoute)
  const all: readonly FollowedKind<unknown>[] = [
    followedRoutes,
    follow(grpcRoutes, (route) => namesService(route) || undefined, nothing),
    followedMeshes,
    ...smiKinds.map((kind) => follow(kind, () => true, nothing)),
  ]
  return {
    get meshes() {
      return [...followedMeshes.objects.values()]
    },
    httpRoutes: followedRoutes,
    reflectors: new Map(all.map(({ kind, reflector }) => [kind.kind, reflector])),
    rows: () => all.map(rowOf),
    stop() {
      for (const { reflector } of all) reflector.stop()
    },
  }
}

function rowOf(followed: FollowedKind<unknown>): ForeignKindRow {
  const { kind, crd, version, objects, reflector } = followed
  const names = [...objects.keys()].map((key) => (key.startsWith('/') ? key.slice(1) : key))
  return {
    kind: kind.kind,
    group: kind.group,
    state: stateOf(followed),
    version,
    served: crd?.served ?? [],
    read: kind.versions,
    bundle: crd?.bundle ?? '',
    channel: crd?.channel ?? '',
    objects: names.length,
    names: names.sort(compareNames).slice(0, maxNames),
    error: reflector.lastError,
  }
}

function stateOf({ crd, version, reflector }: FollowedKind<unknown>): ForeignState {
  if (version !== '') return 'followed'
  if (crd !== undefined) return 'unusable'
  return reflector.synced ? 'absent' : 'unknown'
}
