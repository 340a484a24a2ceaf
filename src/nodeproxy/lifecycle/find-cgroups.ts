import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A cgroup2 mount as this process sees it. */
interface Cgroup2Mount {
  /** What of the hierarchy is mounted, as paths in `/proc/PID/cgroup` are written. */
  readonly root: string
  readonly mountPoint: string
}

export interface NodeCgroups {
  readonly kubepods: string
  /** Undefined: no process of that name runs outside of pods. */
  readonly kubelet: string | undefined
}

/** `kubepods`, `kubepods.slice`, or below another slice `kubelet-kubepods.slice`. */
const kubepodsName = /^(?:.+-)?kubepods(?:\.slice)?$/u
/** kubelets that are containers themselves have it one or two levels down. */
const searchDepth = 3

/**
 * Id of the cgroup2 cgroup that this process is in, by which the hooks tell the proxy's own
 * sockets: the inode of its directory. A container may see two mounts: the node's, and one of its
 * own cgroup alone.
 * @throws Error when there is no cgroup2 mount, with the fix
 */
export function ownCgroupId(procDir: string): bigint {
  const path = cgroupOf(procDir, 'self')
  if (path === undefined) {
    throw new Error(
      `${procDir}/self/cgroup names no cgroup2; mount it: mount -t cgroup2 none /sys/fs/cgroup`,
    )
  }
  for (const mount of cgroup2Mounts(procDir)) {
    const dir = dirIn(mount, path)
    const found = dir === undefined ? undefined : statOf(dir)
    if (found !== undefined) return found
  }
  throw new Error(
    `the proxy's own cgroup ${path} is below no cgroup2 mount; ` +
      "run it with the host's cgroup namespace",
  )
}

/**
 * Where this node's kubelet keeps its pods, and where it is itself. A proxy that is a pod is below
 * the first; else, and where the container has a cgroup namespace of its own, it is looked for.
 * @throws Error when it is not there, or there are several: name the flag that says which
 */
export function findNodeCgroups(procDir: string): NodeCgroups {
  const mounts = cgroup2Mounts(procDir)
  const kubepods = ancestorOfOwn(mounts, cgroupOf(procDir, 'self')) ?? searchKubepods(mounts)
  return { kubepods, kubelet: findKubelet(procDir, mounts, kubepods) }
}

function ancestorOfOwn(
  mounts: readonly Cgroup2Mount[],
  own: string | undefined,
): string | undefined {
  const parts = (own ?? '').split('/')
  const index = parts.findIndex((name) => kubepodsName.test(name))
  if (index < 0) return undefined
  return existing(mounts, parts.slice(0, index + 1).join('/'))
}

function searchKubepods(mounts: readonly Cgroup2Mount[]): string {
  const found = new Map(
    mounts
      .flatMap(({ mountPoint }) => kubepodsBelow(mountPoint, searchDepth))
      .map((dir) => [statOf(dir), dir]),
  )
  const [first, ...others] = found.values()
  if (first !== undefined && others.length === 0) return first
  const where = mounts.map(({ mountPoint }) => mountPoint).join(', ')
  throw new Error(
    first === undefined
      ? `finding pods: no kubepods cgroup is below ${where}; is the node's cgroup2 mounted in ` +
          'this container? else say where it is by --kubepods'
      : `finding pods: there are several: ${[first, ...others].join(', ')}; ` +
          'say which by --kubepods',
  )
}

function kubepodsBelow(dir: string, depth: number): readonly string[] {
  if (depth === 0) return []
  return directoriesOf(dir).flatMap((name) =>
    kubepodsName.test(name) ? [join(dir, name)] : kubepodsBelow(join(dir, name), depth - 1),
  )
}

/** Whoever runs outside of pods is the node's owner, and may be believed its name. */
function findKubelet(
  procDir: string,
  mounts: readonly Cgroup2Mount[],
  kubepods: string,
): string | undefined {
  for (const pid of directoriesOf(procDir)) {
    if (!/^\d+$/u.test(pid) || textOf(join(procDir, pid, 'comm')).trim() !== 'kubelet') continue
    const path = cgroupOf(procDir, pid)
    const dir = path === undefined ? undefined : existing(mounts, path)
    if (dir !== undefined && !`${dir}/`.startsWith(`${kubepods}/`)) return dir
  }
  return undefined
}

function existing(mounts: readonly Cgroup2Mount[], path: string): string | undefined {
  return mounts
    .flatMap((mount) => dirIn(mount, path) ?? [])
    .find((dir) => statOf(dir) !== undefined)
}

/** Both are relative to the root of the reader's cgroup namespace, with `/..` where above it. */
function dirIn({ root, mountPoint }: Cgroup2Mount, path: string): string | undefined {
  const prefix = root === '/' ? '' : root
  if (path !== prefix && !path.startsWith(`${prefix}/`)) return undefined
  const rest = path.slice(prefix.length)
  return rest.startsWith('/..') ? undefined : join(mountPoint, rest)
}

/** Of a process, in cgroup2; undefined when it ended. */
function cgroupOf(procDir: string, pid: string): string | undefined {
  const lines = textOf(join(procDir, pid, 'cgroup')).split('\n')
  return lines.find((line) => line.startsWith('0::'))?.slice('0::'.length)
}

/** Where cgroup2 is mounted: beside version 1 it is not /sys/fs/cgroup itself. */
function cgroup2Mounts(procDir: string): readonly Cgroup2Mount[] {
  const lines = readFileSync(join(procDir, 'self/mountinfo'), 'utf8').split('\n')
  const mounts = lines.flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ')
    const [, , , root, mountPoint] = before.split(' ')
    if (!after.startsWith('cgroup2 ') || root === undefined || mountPoint === undefined) return []
    return [{ root: unescape(root), mountPoint: unescape(mountPoint) }]
  })
  if (mounts.length > 0) return mounts
  throw new Error('cgroup2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup')
}

/** /proc writes space, tab, newline and backslash as three octal digits. */
function unescape(path: string): string {
  return path.replaceAll(/\\(\d{3})/gu, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

function statOf(dir: string): bigint | undefined {
  return statSync(dir, { bigint: true, throwIfNoEntry: false })?.ino
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function directoriesOf(dir: string): readonly string[] {
  try {
    return readdirSync(dir, { withFileTypes: true }).flatMap((entry) =>
      entry.isDirectory() ? [entry.name] : [],
    )
  } catch {
    return []
  }
}
