import { readFileSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

/**
 * Id of the cgroup2 cgroup that this process is in, by which the hooks tell the proxy's own
 * sockets: the inode of its directory.
 * @throws Error when there is no cgroup2 mount, with the fix
 */
export function ownCgroupId(procDir: string): bigint {
  const line = readFileSync(join(procDir, 'self/cgroup'), 'utf8')
    .split('\n')
    .find((one) => one.startsWith('0::'))
  if (line === undefined) {
    throw new Error(
      `${procDir}/self/cgroup names no cgroup2; mount it: mount -t cgroup2 none /sys/fs/cgroup`,
    )
  }
  const path = line.slice('0::'.length)
  const mount = cgroup2Mount(procDir)
  try {
    return statSync(join(mount, path), { bigint: true }).ino
  } catch (error) {
    throw new Error(
      `the proxy's own cgroup ${path} is not below ${mount}; ` +
        "run it with the host's cgroup namespace",
      { cause: error },
    )
  }
}

/** Where cgroup2 is mounted: beside version 1 it is not /sys/fs/cgroup itself. */
export function cgroup2Mount(procDir: string): string {
  const lines = readFileSync(join(procDir, 'self/mountinfo'), 'utf8').split('\n')
  for (const line of lines) {
    const [before = '', after = ''] = line.split(' - ')
    const mountPoint = before.split(' ')[4]
    if (after.startsWith('cgroup2 ') && mountPoint !== undefined) return unescape(mountPoint)
  }
  throw new Error('cgroup2 is not mounted: mount -t cgroup2 none /sys/fs/cgroup')
}

/** /proc writes space, tab, newline and backslash as three octal digits. */
function unescape(path: string): string {
  return path.replaceAll(/\\(\d{3})/gu, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

export function processFacts(): {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly openFds: number
} {
  const { user, system } = process.cpuUsage()
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    openFds: readdirSync('/proc/self/fd').length,
  }
}
