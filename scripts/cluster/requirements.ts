import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root } from '../tools.ts'

/** Programs, and the Debian package of each; `scripts/setup cluster` installs them. */
const programs: readonly (readonly [string, string])[] = [
  ['openssl', 'openssl'],
  ['ip', 'iproute2'],
  ['nft', 'nftables'],
  ['conntrack', 'conntrack'],
  ['mount', 'mount'],
  ['nsenter', 'util-linux'],
  ['unshare', 'util-linux'],
  ['/usr/sbin/runc', 'runc'],
  ['/usr/lib/cni/ptp', 'containernetworking-plugins'],
]

/** What this machine lacks for a cluster, each with the fix; empty when nothing. */
export function missingOfMachine(): readonly string[] {
  const lacks: string[] = []
  if (process.getuid?.() !== 0)
    lacks.push('root: namespaces, mounts and cgroups (run it with sudo)')
  for (const [program, name] of programs) {
    if (!isThere(program)) lacks.push(`${program} (package ${name}): run \`scripts/setup cluster\``)
  }
  if (!/^nodev\s+overlay$/m.test(readFileSync('/proc/filesystems', 'utf8'))) {
    lacks.push('the overlay file system: modprobe overlay')
  }
  if (!readFileSync('/proc/self/mountinfo', 'utf8').includes(' - cgroup2 ')) {
    lacks.push('cgroup v2: mount -t cgroup2 none /sys/fs/cgroup/unified')
  }
  if (!existsSync(join(root, 'build/Release/sluice-enter'))) {
    lacks.push('build/Release/sluice-enter: run `scripts/setup cluster`')
  }
  return lacks
}

function isThere(program: string): boolean {
  if (program.startsWith('/')) return existsSync(program)
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => existsSync(join(folder, program)))
}
