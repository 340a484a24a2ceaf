import { sameData } from './equal.ts'
import { type Resource, resourceName } from './resources.ts'
import type { TableChange } from './tables.ts'

/**
 * What turns one set of resources into another, sorted by name whatever the order of the sets. A
 * resource with the same content is not in it.
 * @throws Error when two resources of a set have one name
 */
export function diffResources(before: Iterable<Resource>, after: Iterable<Resource>): TableChange {
  const old = byName(before)
  const now = byName(after)
  const changed = [...now].filter(([name, resource]) => !sameData(old.get(name), resource))
  return {
    upserts: changed.sort(([a], [b]) => compareNames(a, b)).map(([, resource]) => resource),
    removals: [...old.keys()].filter((name) => !now.has(name)).sort(compareNames),
  }
}

/** By code units: the same on every machine, whatever its locale. */
export function compareNames(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

function byName(resources: Iterable<Resource>): Map<string, Resource> {
  const named = new Map<string, Resource>()
  for (const resource of resources) {
    const name = resourceName(resource)
    if (named.has(name)) {
      throw new Error(`two resources are named ${name}: names must be unique in a set`)
    }
    named.set(name, resource)
  }
  return named
}
