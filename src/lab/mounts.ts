import { readFileSync } from 'node:fs'

/**
 * Where cgroup v2 is mounted: on machines with cgroup v1 beside it, not at /sys/fs/cgroup.
 * @throws Error with the command that mounts it
 */
export function cgroup2Mount(mountinfo: string = ownMounts()): string {
  const found = mountPoint(mountinfo, 'cgroup2')
  if (found !== undefined) return found
  throw new Error('no cgroup v2 is mounted: mount -t cgroup2 none /sys/fs/cgroup/unified')
}

function ownMounts(): string {
  return readFileSync('/proc/self/mountinfo', 'utf8')
}

/** proc(5): `36 35 98:0 /root /mount/point options [tags...] - type source options`. */
function mountPoint(mountinfo: string, type: string): string | undefined {
  for (const line of mountinfo.split('\n')) {
    const [fields = '', description = ''] = line.split(' - ')
    if (description.split(' ')[0] !== type) continue
    const point = fields.split(' ')[4]
    // Spaces and the like stand as \040.
    return point?.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
  }
  return undefined
}
