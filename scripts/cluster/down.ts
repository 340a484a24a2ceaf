import { rmSync } from 'node:fs'
import { readHierarchies, removeEverywhere } from './cgroups.ts'
import { removeClustersFolder } from './claim.ts'
import { clusterCgroup, clusterPaths } from './names.ts'

/**
 * Ends every process of a cluster and removes what it had. Namespaces, their mounts and links end
 * with the processes; works on what it finds, so also after something was killed half-way.
 * @throws Error when something still stands after half a minute
 */
export async function removeCluster(cluster: string): Promise<void> {
  await removeEverywhere(clusterCgroup(cluster), readHierarchies())
  // Its folder is its claim on the name, so that goes last.
  rmSync(clusterPaths(cluster).folder, { recursive: true, force: true, maxRetries: 5 })
  removeClustersFolder()
}
