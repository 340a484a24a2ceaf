import {
  type Reflector,
  type ReflectorCounts,
  type ReflectorOptions,
  startReflector,
} from '../kube/reflector.ts'
import { type CrdFacts, readCrd, usableVersion } from './crd.ts'
import { crdName, type ForeignKind } from './kinds.ts'

export interface FollowOptions<T>
  extends Pick<ReflectorOptions, 'api' | 'random' | 'firstRetryMs' | 'absentRetryMs'> {
  readonly kind: ForeignKind
  /** What is kept of an object; undefined: it asks nothing of us. */
  readonly read: (object: object) => T | undefined
  /** Something of it may be different. */
  readonly onChange: () => void
  readonly onError: (error: Error) => void
}

/** The objects of a kind, as long as the cluster has it. */
export interface FollowedKind<T> {
  readonly kind: ForeignKind
  /** Undefined: there is none, or it is not known yet whether. */
  readonly crd: CrdFacts | undefined
  /** Which is followed; empty: none. */
  readonly version: string
  /** By `namespace/name`, those that ask for something. */
  readonly objects: ReadonlyMap<string, T>
  /** Of the CRD and of the objects, as one. */
  readonly reflector: Reflector
}

/**
 * Follows a CRD by its name, and its objects while a version that is read is served: no list is
 * asked for that would fail, and a CRD that comes, goes or changes is noticed at once.
 */
export function followKind<T>(options: FollowOptions<T>): FollowedKind<T> {
  const { kind, onChange, ...rest } = options
  /** Of one follower: what a stopped one still says goes nowhere. */
  let objects = new Map<string, T>()
  /** Of those that were stopped. */
  let past: ReflectorCounts = { lists: 0, watches: 0, events: 0, bookmarks: 0, errors: 0 }
  let crd: CrdFacts | undefined
  let version = ''
  let follower: Reflector | undefined

  function renew(now: CrdFacts | undefined): void {
    crd = now
    const wanted = usableVersion(kind, crd)
    if (wanted !== version) {
      version = wanted
      if (follower !== undefined) past = sumOf(past, follower.counts)
      follower?.stop()
      objects = new Map()
      follower = wanted === '' ? undefined : followObjects(options, wanted, objects)
    }
    onChange()
  }

  const definition = startReflector({
    ...rest,
    source: {
      path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
      fieldSelector: `metadata.name=${crdName(kind)}`,
      metadataOnly: false,
      optional: false,
    },
    trim: readCrd,
    handlers: {
      replace: ([found]) => renew(found as CrdFacts | undefined),
      put: (found) => renew(found as CrdFacts),
      remove: () => renew(undefined),
    },
  })
  return {
    kind,
    get objects() {
      return objects
    },
    get crd() {
      return crd
    },
    get version() {
      return version
    },
    reflector: {
      get synced() {
        return definition.synced && follower?.synced !== false
      },
      get absent() {
        return definition.synced && version === ''
      },
      get lastError() {
        return definition.lastError === '' ? (follower?.lastError ?? '') : definition.lastError
      },
      get counts() {
        const own = sumOf(definition.counts, past)
        return follower === undefined ? own : sumOf(own, follower.counts)
      },
      stop() {
        definition.stop()
        follower?.stop()
      },
    },
  }
}

interface Kept<T> {
  readonly key: string
  readonly kept: T | undefined
}

function followObjects<T>(
  options: FollowOptions<T>,
  version: string,
  objects: Map<string, T>,
): Reflector {
  const { kind, read, onChange, ...rest } = options
  const put = ({ key, kept }: Kept<T>) => {
    if (kept === undefined) objects.delete(key)
    else objects.set(key, kept)
  }
  return startReflector({
    ...rest,
    source: {
      path: `/apis/${kind.group}/${version}/${kind.plural}`,
      metadataOnly: kind.metadataOnly,
      // Its handler may come up some moments after the CRD says that it is established.
      optional: true,
    },
    trim: (object): Kept<T> => ({ key: keyOf(object), kept: read(object) }),
    handlers: {
      replace(found) {
        objects.clear()
        for (const each of found) put(each as Kept<T>)
        onChange()
      },
      put(object) {
        put(object as Kept<T>)
        onChange()
      },
      remove(namespace, name) {
        objects.delete(`${namespace}/${name}`)
        onChange()
      },
    },
  })
}

function keyOf(object: object): string {
  const { metadata } = object as {
    readonly metadata?: { readonly namespace?: string; readonly name?: string }
  }
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`
}

function sumOf(a: ReflectorCounts, b: ReflectorCounts): ReflectorCounts {
  return {
    lists: a.lists + b.lists,
    watches: a.watches + b.watches,
    events: a.events + b.events,
    bookmarks: a.bookmarks + b.bookmarks,
    errors: a.errors + b.errors,
  }
}
