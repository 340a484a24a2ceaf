import type { Resource } from '../../model/resources.ts'
import { resourceName } from '../../model/resources.ts'
import type { Delta } from '../../model/source.ts'
import type { TableChange } from '../../model/tables.ts'
import type { NodeTables } from './node-tables.ts'

/** Why a delta cannot be applied, and which of its resources are at fault. */
export interface DeltaFault {
  readonly error: string
  readonly rejected: readonly string[]
}

/** What the codec cannot see: whether the delta is meant for this node at all. */
export function faultOf(
  upserts: readonly Resource[],
  node: string,
  network: string,
): DeltaFault | undefined {
  const faults = upserts.flatMap((resource) => {
    const error = misplaced(resource, node, network)
    return error === undefined ? [] : [{ error, name: resourceName(resource) }]
  })
  if (faults.length === 0) return undefined
  return {
    error: faults.map(({ name, error }) => `${name}: ${error}`).join('; '),
    rejected: faults.map(({ name }) => name),
  }
}

function misplaced(resource: Resource, node: string, network: string): string | undefined {
  if (resource.type === 'enrolment' && resource.node !== node) {
    return (
      `node is '${resource.node}', and this is '${node}': the ` +
      `source mixes nodes up, or this one's name is set wrongly`
    )
  }
  if (resource.type === 'settings' && resource.network !== network) {
    const other = resource.network
    return `network is '${other}', and this node is in '${network}': set one of the two right`
  }
  return undefined
}

/**
 * What is left of an earlier stream, or of the disk, and not confirmed by the present one yet. It
 * stays in use until the new stream has sent everything, so there is no moment without
 * configuration.
 */
export interface Unconfirmed {
  /** The change that a delta makes, with what turned out to be gone. */
  changeOf(delta: Delta, tables: Pick<NodeTables, 'resources'>): TableChange
}

export function trackUnconfirmed(): Unconfirmed {
  let names: Set<string> | undefined
  return {
    changeOf(delta, tables) {
      if (delta.initial === true) names = new Set(tables.resources.names())
      for (const resource of delta.upserts) names?.delete(resourceName(resource))
      for (const name of delta.removals) names?.delete(name)
      if (names === undefined || delta.complete !== true) return delta
      const gone = [...names]
      names = undefined
      return { upserts: delta.upserts, removals: [...delta.removals, ...gone] }
    },
  }
}
