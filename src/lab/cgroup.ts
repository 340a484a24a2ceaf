import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from './process/wait.ts'

export type QosClass = 'guaranteed' | 'burstable' | 'besteffort'
export type CgroupStyle = 'cgroupfs' | 'systemd'

/** The folder under which a kubelet puts all pods. */
export function kubepodsFolder(style: CgroupStyle): string {
  return style === 'cgroupfs' ? 'kubepods' : 'kubepods.slice'
}

/** A pod's folder below the node's root, as kubelet's cgroup manager (pkg/kubelet/cm) names it. */
export function podFolder(style: CgroupStyle, qos: QosClass, uid: string): string {
  const tier = qos === 'guaranteed' ? '' : qos
  if (style === 'cgroupfs') return join('kubepods', tier, `pod${uid}`)
  // systemd reads '-' as nesting, so each slice repeats its parents and the uid gets underscores.
  const parent = tier === '' ? 'kubepods' : `kubepods-${tier}`
  const slice = `${parent}-pod${uid.replaceAll('-', '_')}.slice`
  return tier === ''
    ? join('kubepods.slice', slice)
    : join('kubepods.slice', `${parent}.slice`, slice)
}

/** A container's folder in its pod's, as containerd's CRI plugin names it. */
export function containerFolder(style: CgroupStyle, id: string): string {
  return style === 'cgroupfs' ? id : `cri-containerd-${id}.scope`
}

export function makeCgroup(path: string): void {
  mkdirSync(path, { recursive: true })
}

/** The processes of this folder and of all below it. */
export function processesOf(path: string): number[] {
  return treeOf(path).flatMap((folder) =>
    readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number),
  )
}

/**
 * Kills every process in and below the folder, waits for their end and removes it; nothing if it is
 * gone.
 */
export async function removeCgroup(path: string): Promise<void> {
  if (!ignoreAbsent(() => writeFileSync(join(path, 'cgroup.kill'), '1'))) return
  await waitFor(`the processes of ${path} to end`, () => {
    // Between the last process's end and the folder's release, rmdir says EBUSY.
    if (
      ignoreAbsent(() =>
        treeOf(path)
          .toReversed()
          .forEach((folder) => rmdirSync(folder)),
      )
    )
      return true
    return readdirSafe(path) === undefined
  })
}

/** Parents before children. */
function treeOf(path: string): string[] {
  const children = readdirSync(path, { withFileTypes: true }).filter((entry) => entry.isDirectory())
  return [path, ...children.flatMap((entry) => treeOf(join(path, entry.name)))]
}

function readdirSafe(path: string): string[] | undefined {
  try {
    return readdirSync(path)
  } catch {
    return undefined
  }
}

/** Whether `act` was done; false when its file or folder is not there. */
function ignoreAbsent(act: () => void): boolean {
  try {
    act()
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENODEV') return false
    throw error
  }
}
