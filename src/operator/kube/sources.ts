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
  /** Generations of the MeshConfigs that were compiled last, by name. */
  readonly meshConfigs: ReadonlyMap<string, number>
  stop(): void
}

export interface SourcesOptions
  extends Pick<ReflectorOptions, 'random' | 'pageSize' | 'firstRetryMs' | 'absentRetryMs'> {
  readonly api: KubeApi
  readonly compiler: IncrementalCompiler
  readonly publisher: Publisher
  readonly onError?: (kind: string, error: Error) => void
  /** After each publication. */
  readonly onPublished?: () => void
}

export function startSources(options: SourcesOptions): Sources {
  const { compiler, publisher, onError = () => {}, onPublished = () => {}, ...rest } = options
  const reflectors = new Map<string, Reflector>()
  const generations = new Map<string, number>()
  let scheduled: NodeJS.Immediate | undefined
  let ready = false

  function publish(): void {
    scheduled = undefined
    // Half of the cluster would look as if the other half were gone.
    if (![...reflectors.values()].every(({ synced }) => synced)) return
    publisher.apply(compiler.flush())
    ready = true
    onPublished()
  }

  /** What comes in one turn of the event loop is compiled and published once, after it. */
  function soon(): void {
    scheduled ??= setImmediate(publish)
  }

  function noteGeneration(object: unknown): void {
    const { kind, metadata } = object as { kind: string; metadata: Metadata }
    if (kind === 'MeshConfig') generations.set(metadata.name, metadata.generation ?? 0)
  }

  for (const source of sourceKinds) {
    const { kind } = source
    const handlers = {
      replace(objects: readonly unknown[]) {
        compiler.replace(kind, objects)
        if (kind === 'MeshConfig') generations.clear()
        for (const object of objects) noteGeneration(object)
        soon()
      },
      put(object: unknown) {
        compiler.put(object)
        noteGeneration(object)
        soon()
      },
      remove(namespace: string, name: string) {
        compiler.remove(kind, namespace, name)
        if (kind === 'MeshConfig') generations.delete(name)
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
    meshConfigs: generations,
    stop() {
      clearImmediate(scheduled)
      for (const reflector of reflectors.values()) reflector.stop()
    },
  }
}

interface Metadata {
  readonly name: string
  readonly generation?: number
}
