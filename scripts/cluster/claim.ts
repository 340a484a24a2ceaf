import { mkdirSync, rmdirSync } from 'node:fs'
import { clusterPaths, clustersFolder } from './names.ts'

/** @throws Error when the name is taken, whether its cluster runs or not */
export function claimName(cluster: string): void {
  const { folder } = clusterPaths(cluster)
  mkdirSync(clustersFolder, { recursive: true, mode: 0o755 })
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // The last cluster of the machine just left, and took the folder of all clusters with it.
    if (code === 'ENOENT') return claimName(cluster)
    if (code !== 'EEXIST') throw error
    throw new Error(
      `cluster ${cluster} exists: \`npm run cluster -- down --name ${cluster}\` removes it`,
      { cause: error },
    )
  }
}

/** When the last cluster is gone. */
export function removeClustersFolder(): void {
  try {
    rmdirSync(clustersFolder)
  } catch {
    // Other clusters are there, or another process just did the same.
  }
}
