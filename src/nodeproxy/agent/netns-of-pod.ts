import { statSync } from 'node:fs'
import { join } from 'node:path'
import { type PodCgroup, processesBelow } from './cgroup-tree.ts'

/** Which network namespace a pod's processes are in. */
export type PodNetns =
  /** No process (yet, or any more). */
  | { readonly kind: 'empty' }
  /**
   * All processes are in the node's own namespace: hostNetwork, or a runtime that has not entered
   * it yet.
   */
  | { readonly kind: 'node' }
  | { readonly kind: 'own'; readonly inode: bigint; readonly pid: number; readonly path: string }

/** Inode of a namespace file: two are the same namespace when these are equal. */
export function netnsInode(path: string): bigint {
  return statSync(path, { bigint: true }).ino
}

/**
 * Looks at the pod's processes in turn until one is outside the node's namespace: a runtime's first
 * process joins the pod's cgroup before its namespace.
 */
export function netnsOfPod(pod: PodCgroup, procDir: string, nodeInode: bigint): PodNetns {
  let inNode = false
  for (const pid of processesBelow(pod.dir)) {
    const path = join(procDir, String(pid), 'ns/net')
    const inode = inodeOrUndefined(path)
    if (inode === undefined) continue
    if (inode !== nodeInode) return { kind: 'own', inode, pid, path }
    inNode = true
  }
  return inNode ? { kind: 'node' } : { kind: 'empty' }
}

/** A process may end between two reads, and a zombie has no namespaces. */
function inodeOrUndefined(path: string): bigint | undefined {
  try {
    return netnsInode(path)
  } catch {
    return undefined
  }
}
