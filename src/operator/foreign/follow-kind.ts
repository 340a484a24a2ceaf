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
  /** One of the objects that are kept is new or another; undefined: it is not kept any more. */
  readonly onObject?: (key: string, now: T | undefined) => void
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
    if (wanted !== version) replaceFollower(wanted)
    onChange()
  }

  function replaceFollower(wanted: string): void {
    version = wanted
    if (follower !== undefined) past = sumOf(past, follower.counts)
    follower?.stop()
    for (const key of objects.keys()) options.onObject?.(key, undefined)
    objects = new Map()
    follower = followObjects(options, wanted, objects)
  }

  const definition = startReflector({
    ...rest,
    source: definitionOf(kind),
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

function definitionOf(kind: ForeignKind): ReflectorOptions['source'] {
  return {
    path: '/apis/apiextensions.k8s.io/v1/customresourcedefinitions',
    fieldSelector: `metadata.name=${crdName(kind)}`,
    metadataOnly: false,
    optional: false,
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
): Reflector | undefined {
  if (version === '') return undefined
  const { kind, read, onChange, onObject = () => {}, ...rest } = options
  const put = ({ key, kept }: Kept<T>) => {
    if (kept !== undefined) objects.set(key, kept)
    else if (!objects.delete(key)) return
    onObject(key, kept)
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
        const gone = new Set(objects.keys())
        for (const each of found) {
          gone.delete((each as Kept<T>).key)
          put(each as Kept<T>)
        }
        for (const key of gone) put({ key, kept: undefined })
        onChange()
      },
      put(object) {
        put(object as Kept<T>)
        onChange()
      },
      remove(namespace, name) {
        put({ key: `${namespace}/${name}`, kept: undefined })
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
