import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { waitFor } from '../../src/lab/process/wait.ts'

/** A cgroup file system of this machine. */
export interface Hierarchy {
  readonly mount: string
  readonly version: 1 | 2
  /** Version 1: as mount(8) takes them, `cpu,cpuacct` or `name=systemd`. */
  readonly options: string
}

const END_TIMEOUT_MS = 30_000
/** What tells hierarchies of version 1 apart; other options of the mount are about its use. */
const v1Options = new Set([
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'devices',
  'freezer',
  'blkio',
  'pids',
  'net_cls',
  'net_prio',
  'perf_event',
  'hugetlb',
  'rdma',
  'misc',
])

/**
 * All that are mounted: on many machines version 1 with controllers stands beside version 2.
 * @throws Error with the command that mounts cgroup v2
 */
export function readHierarchies(
  mountinfo: string = readFileSync('/proc/self/mountinfo', 'utf8'),
): readonly Hierarchy[] {
  const found = mountinfo.split('\n').flatMap((line): Hierarchy[] => {
    const [fields = '', description = ''] = line.split(' - ')
    const [type, , options = ''] = description.split(' ')
    const mount = fields.split(' ')[4] ?? ''
    if (type === 'cgroup2') return [{ mount, version: 2, options: '' }]
    if (type !== 'cgroup') return []
    const own = options
      .split(',')
      .filter((option) => v1Options.has(option) || option.startsWith('name='))
    return [{ mount, version: 1, options: own.join(',') }]
  })
  // A second mount of the same hierarchy would be the same tree again.
  const distinct = found.filter(
    (one, index) =>
      found.findIndex((it) => it.version === one.version && it.options === one.options) === index,
  )
  if (distinct.some(({ version }) => version === 2)) return distinct
  throw new Error('no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified')
}

/** Makes a cgroup in every hierarchy, ready to hold processes or further cgroups. */
export function makeEverywhere(path: string, hierarchies: readonly Hierarchy[]): void {
  // Beside version 1 they are used there, and version 2 stays as it is.
  const alone = hierarchies.every(({ version }) => version === 2)
  for (const { mount, options } of hierarchies) {
    let folder = mount
    for (const name of path.split('/')) {
      if (alone) passOnControllers(folder)
      const parent = folder
      folder = join(folder, name)
      mkdirSync(folder, { recursive: true })
      // A new one has no CPU and no memory node, and then takes no process.
      if (options.split(',').includes('cpuset')) copyCpuset(parent, folder)
    }
  }
}

function passOnControllers(folder: string): void {
  const controllers = readFileSync(join(folder, 'cgroup.controllers'), 'utf8').split(/\s+/)
  for (const controller of controllers.filter(Boolean)) {
    writeFileSync(join(folder, 'cgroup.subtree_control'), `+${controller}`)
  }
}

function copyCpuset(parent: string, folder: string): void {
  for (const file of ['cpuset.cpus', 'cpuset.mems']) {
    if (readFileSync(join(folder, file), 'utf8').trim() !== '') continue
    writeFileSync(join(folder, file), readFileSync(join(parent, file), 'utf8').trim())
  }
}

/** The folders of one cgroup, one a hierarchy. */
export function foldersOf(path: string, hierarchies: readonly Hierarchy[]): readonly string[] {
  return hierarchies.map(({ mount }) => join(mount, path))
}

export function unifiedFolder(path: string, hierarchies: readonly Hierarchy[]): string {
  const unified = hierarchies.find(({ version }) => version === 2)
  return join(unified?.mount ?? '', path)
}

/** In and below the folder; empty when it is gone. */
export function processesBelow(folder: string): readonly number[] {
  return foldersBelow(folder).flatMap((one) => processesIn(one))
}

/** In the folder itself. */
export function processesIn(folder: string): readonly number[] {
  const procs = readIfThere(() => readFileSync(join(folder, 'cgroup.procs'), 'utf8'))
  return (procs ?? '').split('\n').filter(Boolean).map(Number)
}

/** Kills all that runs in and below a cgroup, in any hierarchy, and removes it from all of them. */
export async function removeEverywhere(
  path: string,
  hierarchies: readonly Hierarchy[],
): Promise<void> {
  const folders = foldersOf(path, hierarchies)
  await waitFor(
    `cgroup ${path} to be empty and gone`,
    () => {
      for (const folder of folders) {
        killBelow(folder)
        // Between the last process's end and the folder's release, rmdir says EBUSY.
        for (const one of foldersBelow(folder).toReversed()) readIfThere(() => rmdirSync(one))
      }
      return folders.every((folder) => foldersBelow(folder).length === 0)
    },
    END_TIMEOUT_MS,
  )
}

function killBelow(folder: string): void {
  const killed = readIfThere(() => {
    writeFileSync(join(folder, 'cgroup.kill'), '1', { flag: 'r+' })
    return true
  })
  // Version 1 has no cgroup.kill.
  if (killed !== true) for (const pid of processesBelow(folder)) kill(pid)
}

/** One that is gone already is no error. */
export function kill(pid: number, signal: NodeJS.Signals = 'SIGKILL'): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** Parents before children. */
function foldersBelow(folder: string): readonly string[] {
  const children = readIfThere(() => readdirSync(folder, { withFileTypes: true }))
  if (children === undefined) return []
  return [
    folder,
    ...children
      .filter((entry) => entry.isDirectory())
      .flatMap((entry) => foldersBelow(join(folder, entry.name))),
  ]
}

/** Undefined where the kernel says that the thing is gone, or not yet to be had. */
function readIfThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (['ENOENT', 'ENODEV', 'EBUSY', 'ENOTEMPTY'].includes(code)) return undefined
    throw error
  }
}
