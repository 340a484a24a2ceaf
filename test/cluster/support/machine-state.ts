import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { readHierarchies } from '../../../scripts/cluster/cgroups.ts'
import { run } from '../../../scripts/command.ts'

/** What a cluster could leave on a machine, as lines that can be compared. */
export interface MachineState {
  readonly processes: readonly string[]
  readonly mounts: readonly string[]
  readonly cgroups: readonly string[]
  readonly links: readonly string[]
  readonly folders: readonly string[]
  readonly settings: readonly string[]
}

/** Settings of the kernel that a kubelet or kube-proxy would change on a machine of its own. */
const settings = [
  'kernel/panic',
  'kernel/panic_on_oops',
  'kernel/keys/root_maxkeys',
  'vm/overcommit_memory',
  'vm/panic_on_oom',
  'net/ipv4/ip_forward',
  'net/ipv4/conf/all/route_localnet',
]

export async function readMachineState(): Promise<MachineState> {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n')
  const processes = await run(['ps', '-eo', 'pid=,comm='])
  const links = await run(['ip', '-oneline', 'link'])
  return {
    processes: lines(processes),
    mounts: mounts.map((line) => line.split(' ').slice(4).join(' ')),
    cgroups: readHierarchies().flatMap(({ mount }) =>
      readdirSync(mount, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => `${mount}/${entry.name}`),
    ),
    links: lines(links).map((line) => line.split(':')[1]?.trim() ?? ''),
    folders: ['/var/lib', '/run', '/run/netns', '/etc', '/etc/cni/net.d'].flatMap(namesIn),
    settings: [
      ...settings.map((key) => `${key}=${readFileSync(`/proc/sys/${key}`, 'utf8').trim()}`),
      ...readHierarchies()
        .filter(({ version }) => version === 2)
        .map(({ mount }) => readFileSync(`${mount}/cgroup.subtree_control`, 'utf8').trim()),
    ],
  }
}

/** What is there now and was not before. */
export function added(before: MachineState, now: MachineState): readonly string[] {
  return (Object.keys(before) as (keyof MachineState)[]).flatMap((kind) =>
    now[kind].filter((line) => !before[kind].includes(line)).map((line) => `${kind}: ${line}`),
  )
}

/** `net:[4026532177]` and the like, of those processes and not of us. */
export function namespacesOf(pids: readonly number[]): ReadonlySet<string> {
  const own = new Set(namespacesOfOne('self'))
  return new Set(pids.flatMap((pid) => namespacesOfOne(`${pid}`)).filter((one) => !own.has(one)))
}

function namespacesOfOne(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/ns`).map((kind) => readlinkSync(`/proc/${pid}/ns/${kind}`))
  } catch {
    // It ended meanwhile.
    return []
  }
}

/** Those of the namespaces that a process or a mount of this machine still holds. */
export async function standing(namespaces: ReadonlySet<string>): Promise<readonly string[]> {
  const list = await run(['lsns', '--noheadings', '--output', 'NS'])
  const inodes = new Set(lines(list))
  return [...namespaces].filter((one) => inodes.has(/\d+/.exec(one)?.[0] ?? ''))
}

function lines(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).map((name) => `${folder}/${name}`)
  } catch {
    return []
  }
}
