import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { removeTree } from '../kernel/pins.ts'

/** Everything that preflight makes under a name of its own begins with this. */
const PREFIX = 'sluice-preflight'

/** A name that says who made it: a later run can tell whether its maker still lives. */
export function scratchName(): string {
  return `${PREFIX}-${process.pid}-${startTime(process.pid) ?? 0}`
}

/** A cgroup that this process is in, so that hooks attached to it see this process alone. */
export interface ScratchCgroup {
  readonly path: string
  /** Moves this process to the folder above and removes the cgroup. */
  leave(): void
}

/**
 * Makes a cgroup below `parent` and moves this process into it. Throws with the system's reason.
 */
export function enterScratchCgroup(parent: string): ScratchCgroup {
  const path = join(parent, scratchName())
  mkdirSync(path)
  const leave = (): void => {
    writeFileSync(join(dirname(path), 'cgroup.procs'), String(process.pid))
    rmdirSync(path)
  }
  try {
    writeFileSync(join(path, 'cgroup.procs'), String(process.pid))
  } catch (error) {
    rmdirSync(path)
    throw error
  }
  return { path, leave }
}

/** Removes cgroups of runs that were killed. One that still has a process in it stays. */
export function removeStaleCgroups(parent: string): void {
  for (const name of staleNames(parent)) {
    try {
      rmdirSync(join(parent, name))
    } catch {
      // Not empty: its maker lives in another PID namespace.
    }
  }
}

/** Removes pins of runs that were killed. */
export function removeStalePins(folder: string): void {
  for (const name of staleNames(folder)) {
    try {
      removeTree(join(folder, name))
    } catch {
      // Not ours to remove: this user is not the one who made them.
    }
  }
}

function staleNames(folder: string): readonly string[] {
  let names: string[]
  try {
    names = readdirSync(folder)
  } catch {
    return []
  }
  return names.filter((name) => {
    const [, pid, started] = new RegExp(`^${PREFIX}-(\\d+)-(\\d+)$`).exec(name) ?? []
    return pid !== undefined && startTime(Number(pid)) !== Number(started)
  })
}

/** When a process started, in clock ticks since boot; undefined when there is none. */
function startTime(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The second field is a name in parentheses that may hold spaces; the 22nd is what we are
    // after.
    const [, after = ''] = /\) (.*)$/s.exec(stat) ?? []
    return Number(after.split(' ')[19])
  } catch {
    return undefined
  }
}
