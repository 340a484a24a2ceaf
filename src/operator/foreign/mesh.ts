import { compareNames } from '../../model/diff.ts'
import { sameData } from '../../model/equal.ts'
import type { Condition } from '../status/conditions.ts'

/** What an XMesh's `spec.controllerName` is where Sluice is the mesh. */
export const controllerName = 'sluice.dev/mesh'

/** An XMesh that is Sluice's. */
export interface MeshFacts {
  readonly name: string
  readonly generation: number
  readonly resourceVersion: string
  /** As `ConfigMap a/b`; empty: none. */
  readonly parameters: string
  readonly accepted: MeshCondition | undefined
  readonly features: readonly string[]
}

/** It begins as Unknown. */
type MeshCondition = Omit<Condition, 'status' | 'observedGeneration'> & {
  readonly status: Condition['status'] | 'Unknown'
  readonly observedGeneration?: number
}

interface Mesh {
  readonly metadata?: {
    readonly name?: string
    readonly generation?: number
    readonly resourceVersion?: string
  }
  readonly spec?: {
    readonly controllerName?: string
    readonly parametersRef?: {
      readonly kind?: string
      readonly namespace?: string
      readonly name?: string
    }
  }
  readonly status?: {
    readonly conditions?: readonly MeshCondition[]
    readonly supportedFeatures?: readonly { readonly name?: string }[]
  }
}

/** @returns undefined for one of another controller */
export function readMesh(object: object): MeshFacts | undefined {
  const { metadata, spec, status } = object as Mesh
  if (spec?.controllerName !== controllerName) return undefined
  const { kind = '', namespace, name = '' } = spec.parametersRef ?? {}
  return {
    name: metadata?.name ?? '',
    generation: metadata?.generation ?? 0,
    resourceVersion: metadata?.resourceVersion ?? '',
    parameters:
      spec.parametersRef === undefined
        ? ''
        : `${kind} ${namespace === undefined ? name : `${namespace}/${name}`}`,
    accepted: status?.conditions?.find(({ type }) => type === 'Accepted'),
    features: (status?.supportedFeatures ?? []).map((feature) => feature.name ?? ''),
  }
}

/**
 * The features of the Gateway API's conformance tests that this version was seen to have: nothing
 * more than that traffic of Services goes through it, as those of routes have not been run.
 */
const supportedFeatures: readonly string[] = ['Mesh'].sort(compareNames)

export interface MeshStatus {
  readonly conditions: readonly Condition[]
  readonly supportedFeatures: readonly { readonly name: string }[]
}

/** @returns what is to be written; undefined: it says that already, or what somebody newer knows */
export function meshStatus(mesh: MeshFacts, now: string): MeshStatus | undefined {
  const { generation, parameters, accepted: before, features } = mesh
  if ((before?.observedGeneration ?? 0) > generation) return undefined
  const good = parameters === ''
  const status = good ? 'True' : 'False'
  const accepted: Condition = {
    type: 'Accepted',
    status,
    reason: good ? 'Accepted' : 'InvalidParameters',
    message: good
      ? 'Sluice is this mesh'
      : `spec.parametersRef names ${parameters}, which is not read: leave it out; ` +
        "Sluice's settings are in its MeshConfig",
    observedGeneration: generation,
    lastTransitionTime: before?.status === status ? before.lastTransitionTime : now,
  }
  if (sameData(before, accepted) && sameData(features, supportedFeatures)) return undefined
  return {
    conditions: [accepted],
    supportedFeatures: supportedFeatures.map((name) => ({ name })),
  }
}
