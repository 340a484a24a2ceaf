import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

export const DEFAULT_NAME = 'sluice'
export const nodeNames = ['node1', 'node2'] as const

const FOLDER = '/var/lib/sluice-cluster'
const CGROUP_PREFIX = 'sluice-cluster-'

/** Everything that a cluster leaves on the machine is in its folder and its cgroups. */
export interface ClusterPaths {
  /** Its creation is what makes the name taken. */
  readonly folder: string
  readonly pki: string
  readonly logs: string
  readonly etcd: string
  /** Of the administrator, for programs on this machine. */
  readonly kubeconfig: string
}

/** @throws Error when the name would not do as a part of file names */
export function clusterPaths(cluster: string): ClusterPaths {
  if (!/^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/.test(cluster)) {
    throw new Error(`'${cluster}' cannot name a cluster: use up to 32 of a-z, 0-9 and '-'`)
  }
  const folder = join(FOLDER, cluster)
  return {
    folder,
    pki: join(folder, 'pki'),
    logs: join(folder, 'logs'),
    etcd: join(folder, 'etcd'),
    kubeconfig: join(folder, 'kubeconfig'),
  }
}

/** The folder that stands for a node's disk. */
export function nodeFolder(cluster: string, node: string): string {
  return join(clusterPaths(cluster).folder, node)
}

/** Below the root of every hierarchy. */
export function clusterCgroup(cluster: string): string {
  return `${CGROUP_PREFIX}${cluster}`
}

/** The folder of all clusters. */
export const clustersFolder = FOLDER

/** Names that are taken, running or not. */
export function clustersOnMachine(): readonly string[] {
  return existsSync(FOLDER) ? readdirSync(FOLDER).sort() : []
}
