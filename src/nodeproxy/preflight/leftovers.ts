import { rmdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { nodeDir } from '../kernel/pins.ts'
import { findBpffs, findMount, type Mount } from './environment.ts'
import { removeStaleCgroups, removeStalePins, scratchName } from './scratch.ts'

/**
 * Removes what runs that were killed have left: cgroups, pins, and the pins of their scratch node.
 */
export function removeLeftovers(mounts: readonly Mount[]): void {
  const cgroup2 = findMount(mounts, 'cgroup2')
  if (cgroup2 !== undefined) removeStaleCgroups(cgroup2.point)
  const bpffs = findBpffs(mounts)
  if (bpffs === undefined) return
  removeStalePins(bpffs.point)
  const nodes = dirname(nodeDir(bpffs.point, scratchName()))
  removeStalePins(nodes)
  try {
    rmdirSync(nodes)
  } catch {
    // Nodes of this machine have pins there, or there are none.
  }
}
