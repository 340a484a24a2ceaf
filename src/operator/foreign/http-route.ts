import type { ParentStatus } from '../compile/http/merge-status.ts'
import { controllerName } from './mesh.ts'
import { namesService } from './service-parents.ts'

/** What is kept of an HTTPRoute that has, or had, something to do with Services. */
export interface KeptRoute {
  readonly kind: 'HTTPRoute'
  readonly metadata: {
    readonly namespace: string
    readonly name: string
    readonly creationTimestamp: string
    readonly generation: number
    readonly resourceVersion: string
  }
  readonly spec: object
  /** What every controller has told of it. */
  readonly parents: readonly ParentStatus[]
}

interface Route {
  readonly metadata?: Partial<KeptRoute['metadata']>
  readonly spec?: object
  readonly status?: { readonly parents?: readonly ParentStatus[] }
}

/** @returns undefined for one that is for others alone, and of which Sluice has told nothing */
export function keepHttpRoute(object: object): KeptRoute | undefined {
  const { metadata = {}, spec = {}, status } = object as Route
  const parents = status?.parents ?? []
  const told = parents.some((entry) => entry.controllerName === controllerName)
  if (!told && !namesService(object)) return undefined
  const { namespace = 'default', name = '', creationTimestamp = '' } = metadata
  const { generation = 0, resourceVersion = '' } = metadata
  return {
    kind: 'HTTPRoute',
    metadata: { namespace, name, creationTimestamp, generation, resourceVersion },
    spec,
    parents,
  }
}
