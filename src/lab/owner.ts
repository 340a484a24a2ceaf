import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { cleanLab } from './clean.ts'
import { type LabPaths, labPaths } from './names.ts'

/** The right to a lab's name, with the duty to leave nothing behind. */
export interface Ownership {
  readonly paths: LabPaths
  /** Cleans everything and gives the name back. */
  readonly release: () => Promise<void>
}

/** @throws Error when the name is taken, with who holds it */
export function claimLab(lab: string): Ownership {
  const paths = labPaths(lab)
  takeName(lab, paths.run)
  const janitor = startJanitor(lab)
  const self: OwnerRecord = { pid: process.pid, started: startTime(process.pid) ?? '' }
  writeFileSync(ownerFile(paths), JSON.stringify(self))
  return {
    paths,
    release: async () => {
      await cleanLab(lab)
      const ended = once(janitor, 'exit')
      janitor.ref()
      janitor.stdin.end('cleaned\n')
      await ended
    },
  }
}

function takeName(lab: string, folder: string): void {
  mkdirSync(dirname(folder), { recursive: true })
  try {
    mkdirSync(folder)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // The last lab of the machine just left, and took the folder of all labs with it.
    if (code === 'ENOENT') return takeName(lab, folder)
    if (code !== 'EEXIST') throw error
    const owner = ownerOf(lab)
    const who = owner === undefined ? 'its owner is dead' : `process ${owner} owns it`
    throw new Error(
      `lab ${lab} exists and ${who}: remove it by \`sluice lab down --name ${lab}\``,
      {
        cause: error,
      },
    )
  }
}

/** The process that owns the lab; undefined when there is none or it is dead. */
export function ownerOf(lab: string): number | undefined {
  try {
    const record = JSON.parse(readFileSync(ownerFile(labPaths(lab)), 'utf8')) as OwnerRecord
    return startTime(record.pid) === record.started ? record.pid : undefined
  } catch {
    return undefined
  }
}

interface OwnerRecord {
  readonly pid: number
  /** Tells it from a later process with the same id. */
  readonly started: string
}

function ownerFile(paths: LabPaths): string {
  return join(paths.run, 'owner.json')
}

/**
 * Tells a process from a later one with the same id; undefined when there is none. Field 22 of
 * /proc/PID/stat; the command's name before it may hold spaces.
 */
export function startTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch {
    return undefined
  }
}

function startJanitor(lab: string) {
  // In a session of its own: what ends the owner's process group must not end the janitor.
  const janitor = spawn(process.execPath, [join(import.meta.dirname, 'janitor.ts'), lab], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  janitor.unref()
  // Neither it nor its pipe keeps the owner alive.
  ;(janitor.stdin as unknown as { unref(): void }).unref()
  return janitor
}
