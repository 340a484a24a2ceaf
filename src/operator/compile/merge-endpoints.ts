import { compareNames } from '../../model/diff.ts'
import type { Endpoint } from '../../model/resources.ts'

/** One endpoint as one slice has it. */
export type SliceEntry = Endpoint

/**
 * The endpoints of a service out of all its slices. While the controller moves an endpoint it is in
 * two slices for a moment, and an address with two port numbers for one named port is in two for
 * good: kept is each address, service port and target port once, the most usable where slices
 * differ. Sorted by address, so that the order of slices does not matter.
 */
export function mergeEndpoints(entries: readonly SliceEntry[]): readonly Endpoint[] {
  const best = new Map<string, { entry: SliceEntry; port: number; target: number }>()
  for (const entry of entries) {
    for (const [port, target] of Object.entries(entry.ports)) {
      const key = `${entry.address.network}/${entry.address.ip} ${port} ${target}`
      const other = best.get(key)
      if (other === undefined || isRather(entry, other.entry)) {
        best.set(key, { entry, port: Number(port), target })
      }
    }
  }
  const groups = new Map<string, { entry: SliceEntry; ports: Map<number, number> }>()
  for (const { entry, port, target } of best.values()) {
    addToGroup(groups, entry, port, target)
  }
  const shared = sharePorts()
  return [...groups]
    .sort(([a], [b]) => compareNames(a, b))
    .map(([, { entry, ports }]) => ({ ...entry, ports: shared(ports) }))
}

function addToGroup(
  groups: Map<string, { entry: SliceEntry; ports: Map<number, number> }>,
  entry: SliceEntry,
  port: number,
  target: number,
): void {
  const like = `${entry.address.network}/${entry.address.ip} ${attributes(entry)}`
  for (let copy = 0; ; copy += 1) {
    const group = groups.get(`${like} ${copy}`)
    if (group === undefined) {
      groups.set(`${like} ${copy}`, { entry, ports: new Map([[port, target]]) })
      return
    }
    if (!group.ports.has(port)) {
      group.ports.set(port, target)
      return
    }
  }
}

function isRather(a: SliceEntry, b: SliceEntry): boolean {
  const difference = usability(a) - usability(b)
  if (difference !== 0) return difference > 0
  return compareNames(attributes(a), attributes(b)) < 0
}

function usability({ ready, serving }: SliceEntry): number {
  return (ready ? 2 : 0) + (serving ? 1 : 0)
}

function attributes(entry: SliceEntry): string {
  const { workload, node, zone, ready, serving, terminating, zoneHints, nodeHints } = entry
  return JSON.stringify([workload, node, zone, ready, serving, terminating, zoneHints, nodeHints])
}

/** Objects with numbers for keys are large, and those of one service mostly the same. */
function sharePorts() {
  const known = new Map<string, Readonly<Record<number, number>>>()
  return (ports: ReadonlyMap<number, number>) => {
    const sorted = [...ports].sort(([a], [b]) => a - b)
    const key = sorted.join(' ')
    const found = known.get(key) ?? Object.fromEntries(sorted)
    known.set(key, found)
    return found
  }
}
