import type { IncrementalCompiler } from '../incremental/compiler.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { KubeApi } from './api.ts'
import { type Reflector, type ReflectorOptions, startReflector } from './reflector.ts'
import { sourceKinds } from './source-kinds.ts'
import { trim } from './trim.ts'

/** The cluster's objects, followed, compiled and published as they change. */
export interface Sources {
  /** All kinds have been listed once, and what they say is published. */
  readonly ready: boolean
  readonly reflectors: ReadonlyMap<string, Reflector>
  /** The MeshConfigs that were compiled last, by name. */
  readonly meshConfigs: ReadonlyMap<string, ObjectVersion>
  /** The compiler was told something else, which is to be published. */
  changed(): void
  stop(): void
}

/** One that is deleted and made again has the same name and generation, and another uid. */
export interface ObjectVersion {
  readonly uid: string
  readonly generation: number
}

export interface SourcesOptions
  extends Pick<ReflectorOptions, 'random' | 'pageSize' | 'firstRetryMs' | 'absentRetryMs'> {
  readonly api: KubeApi
  readonly compiler: IncrementalCompiler
  readonly publisher: Publisher
  readonly onError?: (kind: string, error: Error) => void
  /** Whether all else is there that is to be published with the first of it. */
  readonly othersSynced?: () => boolean
  /** After each publication. */
  readonly onPublished?: () => void
}

export function startSources(options: SourcesOptions): Sources {
  const { compiler, publisher, onError = () => {}, onPublished = () => {}, ...rest } = options
  const { othersSynced = () => true } = options
  const reflectors = new Map<string, Reflector>()
  const meshConfigs = new Map<string, ObjectVersion>()
  let scheduled: NodeJS.Immediate | undefined
  let ready = false

  function publish(): void {
    scheduled = undefined
    // Half of the cluster would look as if the other half were gone.
    if (![...reflectors.values()].every(({ synced }) => synced) || !othersSynced()) return
    publisher.apply(compiler.flush())
    ready = true
    onPublished()
  }

  /** What comes in one turn of the event loop is compiled and published once, after it. */
  function soon(): void {
    scheduled ??= setImmediate(publish)
  }

  function noteVersion(object: unknown): void {
    const { kind, metadata } = object as { kind: string; metadata: Metadata }
    const { name, uid = '', generation = 0 } = metadata
    if (kind === 'MeshConfig') meshConfigs.set(name, { uid, generation })
  }

  for (const source of sourceKinds) {
    const { kind } = source
    const handlers = {
      replace(objects: readonly unknown[]) {
        compiler.replace(kind, objects)
        if (kind === 'MeshConfig') meshConfigs.clear()
        for (const object of objects) noteVersion(object)
        soon()
      },
      put(object: unknown) {
        compiler.put(object)
        noteVersion(object)
        soon()
      },
      remove(namespace: string, name: string) {
        compiler.remove(kind, namespace, name)
        if (kind === 'MeshConfig') meshConfigs.delete(name)
        soon()
      },
    }
    const report = (error: Error) => onError(kind, error)
    const trimmed = (object: object) => trim(source, object)
    reflectors.set(
      kind,
      startReflector({ ...rest, source, trim: trimmed, handlers, onError: report }),
    )
  }
  return {
    get ready() {
      return ready
    },
    reflectors,
    meshConfigs,
    changed: soon,
    stop() {
      clearImmediate(scheduled)
      for (const reflector of reflectors.values()) reflector.stop()
    },
  }
}

interface Metadata {
  readonly name: string
  readonly uid?: string
  readonly generation?: number
}
