import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { type Answer, failed, passed } from '../ask.ts'
import { findBpffs, findMount, type Mount } from '../environment.ts'
import type { Native } from '../../native.ts'
import { enterScratchCgroup, type ScratchCgroup, scratchName } from '../scratch.ts'

export interface Cgroup2 {
  readonly mountPoint: string
  readonly scratch: ScratchCgroup
}

/**
 * Finds the cgroup2 mount, wherever it is, and moves this process into a cgroup of its own there.
 */
export function probeCgroup2(mounts: readonly Mount[]): Answer<Cgroup2> {
  const mount = findMount(mounts, 'cgroup2')
  if (mount === undefined) return failed('no cgroup2 file system is mounted')
  if (mount.readOnly) return failed(`${mount.point} is mounted read-only`)
  try {
    const scratch = enterScratchCgroup(mount.point)
    return passed(mount.point, { mountPoint: mount.point, scratch })
  } catch (error) {
    return forbidden(error, `preflight makes a cgroup of its own in ${mount.point}`)
  }
}

/**
 * The file system is there, and this user may not write to it: mounting another one does not help.
 */
function forbidden(error: unknown, why: string): Answer<never> {
  const { code, message } = error as NodeJS.ErrnoException
  if (code !== 'EACCES' && code !== 'EPERM' && code !== 'EROFS') throw error
  return failed(message, { fix: `Run as root with CAP_DAC_OVERRIDE: ${why}.` })
}

/**
 * Directory depth at which kubelets put their pods: at the top, or below what --cgroup-root names.
 */
const KUBEPODS_DEPTH = 3

/**
 * Looks for the kubelet's cgroup of all pods (cgroupfs or systemd style), or checks the given one.
 */
export function probeKubepods(cgroup2: string, given: string | undefined): Answer<string> {
  if (given !== undefined) {
    try {
      readdirSync(given)
    } catch (error) {
      return failed(`${given}: ${(error as Error).message}`)
    }
    if (given !== cgroup2 && !given.startsWith(`${cgroup2}/`))
      return failed(`${given} is not in ${cgroup2}`)
    return passed(given, given)
  }
  const found = findKubepods(cgroup2, KUBEPODS_DEPTH)
  return found === undefined ? failed(`no kubepods below ${cgroup2}`) : passed(found, found)
}

function findKubepods(folder: string, depth: number): string | undefined {
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  const here = folders.find(({ name }) => name === 'kubepods' || name.endsWith('kubepods.slice'))
  if (here !== undefined) return join(folder, here.name)
  if (depth === 1) return undefined
  for (const { name } of folders) {
    const below = findKubepods(join(folder, name), depth - 1)
    if (below !== undefined) return below
  }
  return undefined
}

/** Finds the bpffs mount, pins a map there, opens it again and removes the pin. */
export function probeBpffs(
  native: Native,
  mounts: readonly Mount[],
  mapFd: number,
): Answer<string> {
  const mount = findBpffs(mounts)
  if (mount === undefined) return failed('no bpf file system is mounted')
  if (mount.readOnly) return failed(`${mount.point} is mounted read-only`)
  const folder = join(mount.point, scratchName())
  try {
    mkdirSync(folder)
  } catch (error) {
    return forbidden(error, `pins are made in ${mount.point}`)
  }
  try {
    const pin = join(folder, 'pin')
    native.bpfPin(mapFd, pin)
    const again = native.bpfGetPinned(pin)
    if (again < 0) return failed(`what was pinned in ${mount.point} is not there`)
    native.closeFd(again)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  return passed(mount.point, mount.point)
}
