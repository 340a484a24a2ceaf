import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isClassDirectory, podUidOf } from './cgroup-names.ts'

export interface PodCgroup {
  readonly uid: string
  readonly dir: string
}

export interface CgroupTree {
  readonly pods: readonly PodCgroup[]
  /** Directories in which pods appear: what a watcher must watch. */
  readonly parents: readonly string[]
}

/**
 * The kubepods directory could not be read: operation, subject, cause and fix are in the message.
 */
export class KubepodsError extends Error {
  override readonly name = 'KubepodsError'
}

/**
 * All pod cgroups of the node, by one walk over the kubepods directory and its class directories.
 * @throws KubepodsError when the kubepods directory itself cannot be read; Error when this process
 * has no descriptor left to read one with
 */
export function readCgroupTree(kubepodsDir: string): CgroupTree {
  const pods: PodCgroup[] = []
  const parents = [kubepodsDir]
  for (const name of rootDirectories(kubepodsDir)) {
    const dir = join(kubepodsDir, name)
    const uid = podUidOf(name)
    if (uid !== undefined) pods.push({ uid, dir })
    else if (isClassDirectory(name)) {
      parents.push(dir)
      for (const child of directories(dir)) {
        const childUid = podUidOf(child)
        if (childUid !== undefined) pods.push({ uid: childUid, dir: join(dir, child) })
      }
    }
  }
  return { pods, parents }
}

/**
 * Processes anywhere below this cgroup, in the order of the tree; those of other pid namespaces are
 * 0 and left out.
 * @throws Error when this process has no descriptor left to look with
 */
export function* processesBelow(dir: string): Generator<number> {
  yield* processesIn(dir)
  for (const child of directories(dir)) yield* processesBelow(join(dir, child))
}

/** Ids, as BPF programs see them, of this cgroup and of all below it. */
export function* cgroupIdsBelow(dir: string): Generator<bigint> {
  const id = statSync(dir, { bigint: true, throwIfNoEntry: false })?.ino
  if (id === undefined) return
  yield id
  for (const child of directories(dir)) yield* cgroupIdsBelow(join(dir, child))
}

function processesIn(dir: string): readonly number[] {
  const text = readOrUndefined(join(dir, 'cgroup.procs')) ?? ''
  return text.split('\n').flatMap((line) => (line === '' || line === '0' ? [] : [Number(line)]))
}

function rootDirectories(dir: string): readonly string[] {
  try {
    return directoryNames(dir)
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new KubepodsError(
      `finding pods: cannot read the kubepods cgroup ${dir}: ${cause}; check --kubepods: ` +
        'it is kubepods (cgroupfs driver) or kubepods.slice (systemd driver) below the mount',
    )
  }
}

/** A cgroup may go between two steps at any time: what is gone is empty. */
function directories(dir: string): readonly string[] {
  try {
    return directoryNames(dir)
  } catch (error) {
    throwIfOurs(error)
    return []
  }
}

/** What this process lacks says nothing of the cgroup: nobody's pods are gone because of that. */
function throwIfOurs(error: unknown): void {
  const { code = '' } = error as NodeJS.ErrnoException
  if (['EMFILE', 'ENFILE', 'ENOMEM'].includes(code)) throw error
}

function directoryNames(dir: string): readonly string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  )
}

function readOrUndefined(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throwIfOurs(error)
    return undefined
  }
}
