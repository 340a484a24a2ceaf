import { type BackOff, createBackOff } from '../../model/back-off.ts'
import { isStatus, type KubeApi, KubeError } from './api.ts'

/** The objects that a reflector follows. */
export interface Collection {
  readonly path: string
  /** As `metadata.name=NAME`; all of them without it. */
  readonly fieldSelector?: string
  /** Names, labels and annotations are all that is read: nothing else is sent. */
  readonly metadataOnly: boolean
  /** Of a CRD that may not be there, or come later. */
  readonly optional: boolean
}

/** What an informer tells: first all objects there are, then each change. */
export interface ReflectorHandlers {
  replace(objects: readonly unknown[]): void
  put(object: unknown): void
  remove(namespace: string, name: string): void
}

export interface ReflectorOptions {
  readonly api: KubeApi
  readonly source: Collection
  /** What is kept of an object, and told. */
  readonly trim: (object: object) => object
  readonly handlers: ReflectorHandlers
  /** In [0, 1). */
  readonly random: () => number
  readonly onError?: (error: Error) => void
  readonly pageSize?: number
  readonly firstRetryMs?: number
  readonly maxRetryMs?: number
  /** How often it is looked whether a kind is there by now. */
  readonly absentRetryMs?: number
}

/** Keeps somebody up to date on all objects of a kind: list, then watch, for ever. */
export interface Reflector {
  /** It has told all objects once; also when there is no such kind. */
  readonly synced: boolean
  /** The API server has no such kind: its CRD is not installed. */
  readonly absent: boolean
  readonly counts: ReflectorCounts
  /** Why it does not follow now; empty while it does. */
  readonly lastError: string
  stop(): void
}

export interface ReflectorCounts {
  readonly lists: number
  readonly watches: number
  readonly events: number
  readonly bookmarks: number
  readonly errors: number
}

/** The server ends a watch after so long at most, at different times for different replicas. */
const minWatchSeconds = 300

export function startReflector(options: ReflectorOptions): Reflector {
  const { random, onError = () => {}, firstRetryMs = 500, maxRetryMs = 30_000 } = options
  const abort = new AbortController()
  const state = { synced: false, absent: false, lastError: '' }
  const counts = { lists: 0, watches: 0, events: 0, bookmarks: 0, errors: 0 }
  const backOff = createBackOff({ firstMs: firstRetryMs, maxMs: maxRetryMs, random })
  const run: Run = { options, signal: abort.signal, state, counts, backOff }

  async function forever(): Promise<void> {
    let version: string | undefined
    while (!abort.signal.aborted) {
      try {
        version = version === undefined ? await list(run) : await watch(run, version)
      } catch (error) {
        if (abort.signal.aborted) return
        version = await recover(run, version, error, onError)
      }
    }
  }

  void forever()
  return {
    get synced() {
      return state.synced
    },
    get absent() {
      return state.absent
    },
    get lastError() {
      return state.lastError
    },
    counts,
    stop: () => abort.abort(),
  }
}

interface Run {
  readonly options: ReflectorOptions
  readonly signal: AbortSignal
  readonly state: { synced: boolean; absent: boolean; lastError: string }
  readonly counts: { -readonly [name in keyof ReflectorCounts]: number }
  readonly backOff: BackOff
}

interface Meta {
  readonly resourceVersion?: string
  readonly continue?: string
  readonly namespace?: string
  readonly name?: string
}

/**
 * @returns the version from which to watch. Objects of a page are trimmed before the next one
 * comes.
 */
async function list({ options, signal, state, counts }: Run): Promise<string> {
  const { api, source, trim, handlers, pageSize = 500 } = options
  const objects: unknown[] = []
  let next: string | undefined
  counts.lists += 1
  for (;;) {
    const page = (await api.call(
      {
        path: source.path,
        query: {
          ...selected(source),
          limit: String(pageSize),
          ...(next === undefined ? {} : { continue: next }),
        },
        ...(source.metadataOnly ? { accept: metadataList } : {}),
      },
      signal,
    )) as { readonly metadata?: Meta; readonly items?: readonly object[] | null }
    for (const item of page.items ?? []) objects.push(trim(item))
    next = page.metadata?.continue
    if (next !== undefined && next !== '') continue
    handlers.replace(objects)
    Object.assign(state, { synced: true, absent: false, lastError: '' })
    return page.metadata?.resourceVersion ?? ''
  }
}

/** @returns the version from which to go on */
async function watch(
  { options, signal, state, counts, backOff }: Run,
  from: string,
): Promise<string> {
  const { api, source, trim, handlers, random } = options
  let version = from
  let heard = false
  counts.watches += 1
  const onEvent = (event: unknown) => {
    const { type, object } = event as { readonly type: string; readonly object: EventObject }
    if (type === 'ERROR') throw new KubeError(object.code ?? 0, object.message ?? 'watch error')
    heard = true
    backOff.reset()
    version = object.metadata?.resourceVersion ?? version
    if (type === 'BOOKMARK') {
      counts.bookmarks += 1
      return
    }
    counts.events += 1
    if (type === 'DELETED') {
      handlers.remove(object.metadata?.namespace ?? '', object.metadata?.name ?? '')
    } else handlers.put(trim(object))
  }
  const seconds = Math.round(minWatchSeconds * (1 + random()))
  try {
    await api.watch(
      {
        path: source.path,
        query: {
          ...selected(source),
          watch: 'true',
          allowWatchBookmarks: 'true',
          resourceVersion: from,
          timeoutSeconds: String(seconds),
        },
        ...(source.metadataOnly ? { accept: metadataObject } : {}),
      },
      { onEvent, onOpen: () => void (state.lastError = '') },
      signal,
    )
  } catch (error) {
    if (!heard || !isCut(error)) throw error
  }
  // A server that ends each watch at once is not asked again at once.
  if (!heard) await sleep(backOff.nextMs(), signal)
  return version
}

function selected({ fieldSelector }: Collection): Readonly<Record<string, string>> {
  return fieldSelector === undefined ? {} : { fieldSelector }
}

interface EventObject {
  readonly metadata?: Meta
  readonly code?: number
  readonly message?: string
}

/** A watch that was cut in the middle goes on from what was heard last. */
function isCut(error: unknown): boolean {
  return error instanceof Error && 'code' in error
}

/** @returns the version from which to watch; undefined: list anew */
async function recover(
  { options, signal, state, counts, backOff }: Run,
  version: string | undefined,
  error: unknown,
  onError: (error: Error) => void,
): Promise<string | undefined> {
  // What is asked for is compacted away: listed anew at once, as that is no fault.
  if (version !== undefined && isStatus(error, 410)) return undefined
  if (isStatus(error, 404) && options.source.optional) {
    if (!state.absent) options.handlers.replace([])
    Object.assign(state, { synced: true, absent: true, lastError: '' })
    const retryMs = options.absentRetryMs ?? 5_000
    await sleep(retryMs * (1 + options.random()), signal)
    return undefined
  }
  counts.errors += 1
  const cause = error instanceof Error ? error : new Error(String(error))
  state.lastError = cause.message
  onError(cause)
  await sleep(backOff.nextMs(), signal)
  return isStatus(error, 410) ? undefined : version
}

const metadata = 'g=meta.k8s.io;v=v1'
const metadataList = `application/json;as=PartialObjectMetadataList;${metadata}`
const metadataObject = `application/json;as=PartialObjectMetadata;${metadata}`

async function sleep(delayMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, delayMs).unref()
  const wake = () => resolve()
  signal.addEventListener('abort', wake, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', wake)
}
