import { parseSubscription } from '../../model/names.ts'
import type { Resource } from '../../model/resources.ts'
import type { Asked } from './asked.ts'
import type { DeltaPlan, Held, Outdated } from './plan-delta.ts'

/** What a node is known to hold: changes only when it acknowledges, or rejects. */
export interface Holdings extends Held {
  readonly resources: Map<string, Resource | Outdated>
  readonly told: Map<string, 'present' | 'absent'>
  readonly rejected: Map<string, Resource>
}

export function createHoldings(): Holdings {
  return { resources: new Map(), told: new Map(), rejected: new Map() }
}

/** What a node says that it holds when its stream begins. */
export interface Claims {
  /** By name of a resource its version; by name of a subscription `present` or `absent`. */
  readonly versions: ReadonlyMap<string, string>
  readonly versionOf: (resource: Resource) => string
}

/** Begins with what a node held before, so that nothing of it is sent again unless it changed. */
export function claim(
  { resources, told }: Holdings,
  { versions, versionOf }: Claims,
  asked: Asked,
): void {
  const { answers, openResources } = asked
  const wantedOf = asked.wanted()
  for (const [name, version] of versions) {
    if (parseSubscription(name) === undefined) {
      const resource = wantedOf(name)
      openResources.add(name)
      const current = resource !== undefined && versionOf(resource) === version
      resources.set(name, current ? resource : 'outdated')
    } else if (answers.has(name) && (version === 'present' || version === 'absent')) {
      told.set(name, version)
    }
  }
}

/** The node applied a delta. @param isSubscribed whether a name is so still */
export function settle(
  { resources, told, rejected }: Holdings,
  delta: DeltaPlan,
  isSubscribed: (name: string) => boolean,
): void {
  for (const [name, resource] of delta.upserts) {
    resources.set(name, resource)
    rejected.delete(name)
  }
  for (const name of delta.removals) {
    resources.delete(name)
    rejected.delete(name)
  }
  for (const name of delta.present) if (isSubscribed(name)) told.set(name, 'present')
  for (const name of delta.absent) if (isSubscribed(name)) told.set(name, 'absent')
}

/**
 * The node rejected a delta because of the resources named.
 * @returns whether any of them was in it: without, the same delta would be rejected again
 */
export function reject(
  { rejected }: Holdings,
  delta: DeltaPlan,
  names: readonly string[],
): boolean {
  let any = false
  for (const name of names) {
    const resource = delta.upserts.get(name)
    if (resource === undefined) continue
    rejected.set(name, resource)
    any = true
  }
  return any
}
