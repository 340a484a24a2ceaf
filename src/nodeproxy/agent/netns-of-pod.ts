import { readFileSync, statSync } from 'node:fs'
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
 * Looks at the pod's processes for one outside the node's namespace: a runtime's first process
 * joins the pod's cgroup before its namespace. A process may make a namespace of its own (root, or
 * anyone in a user namespace) and is not to take the pod out of the mesh by that: the one that is
 * held stays the pod's while anybody is in it, and else it is that of the oldest process, the
 * sandbox's.
 */
export function netnsOfPod(
  pod: PodCgroup,
  procDir: string,
  nodeInode: bigint,
  held: bigint | undefined,
): PodNetns {
  let inNode = false
  const outside: { inode: bigint; pid: number; path: string }[] = []
  for (const pid of processesBelow(pod.dir)) {
    const path = join(procDir, String(pid), 'ns/net')
    const inode = inodeOrUndefined(path)
    if (inode === undefined) continue
    if (inode === held) return { kind: 'own', inode, pid, path }
    if (inode === nodeInode) inNode = true
    else outside.push({ inode, pid, path })
  }
  const [first, ...others] = outside
  if (first === undefined) return inNode ? { kind: 'node' } : { kind: 'empty' }
  if (others.every(({ inode }) => inode === first.inode)) return { kind: 'own', ...first }
  const age = new Map(outside.map(({ pid }) => [pid, startedAt(procDir, pid)]))
  const oldest = outside.reduce((a, b) => ((age.get(b.pid) ?? 0) < (age.get(a.pid) ?? 0) ? b : a))
  return { kind: 'own', ...oldest }
}

/**
 * Clock ticks since boot: field 22 of /proc/PID/stat, behind a name that may contain anything.
 * Infinity for one that has ended.
 */
function startedAt(procDir: string, pid: number): number {
  try {
    const stat = readFileSync(join(procDir, String(pid), 'stat'), 'utf8')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** A process may end between two reads, and a zombie has no namespaces. */
function inodeOrUndefined(path: string): bigint | undefined {
  try {
    return netnsInode(path)
  } catch {
    return undefined
  }
}
