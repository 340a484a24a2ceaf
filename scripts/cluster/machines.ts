import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BRIDGE, type FabricMember, joinFabric } from '../../src/lab/net/fabric.ts'
import {
  nodeAddresses,
  POD_NETWORK_V4,
  POD_NETWORK_V6,
  podCidrs,
  routerAddresses,
} from '../../src/lab/net/addresses.ts'
import { ipBatch } from '../../src/lab/net/ip.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { foldersOf, type Hierarchy, makeEverywhere, unifiedFolder } from './cgroups.ts'
import { clusterCgroup, nodeFolder, nodeNames } from './names.ts'
import {
  findPlace,
  logFile,
  logTail,
  machineCgroup,
  netnsOf,
  type Place,
  startDetached,
} from './place.ts'

/** Below a node's folder, made before it boots. */
const diskFolders = ['etc', 'etc.work', 'lib', 'log', 'run/parts', 'sysctl']

/** The machine of the control plane: a network namespace, with the bridge that joins all. */
export async function bootControl(
  cluster: string,
  hierarchies: readonly Hierarchy[],
  parts: string,
): Promise<Place> {
  const scope = join(machineCgroup(cluster, 'control'), 'init.scope')
  makeEverywhere(scope, hierarchies)
  startDetached({
    cgroups: foldersOf(scope, hierarchies),
    argv: ['unshare', '--net', join(parts, 'pause')],
    log: logFile({ cluster, machine: 'control' }, 'init'),
  })
  return booted(cluster, 'control', hierarchies)
}

/** A node: namespaces of its own for everything but users. Its `/etc` is what is in its folder. */
export async function bootNode(
  cluster: string,
  node: string,
  hierarchies: readonly Hierarchy[],
  parts: string,
): Promise<Place> {
  const folder = nodeFolder(cluster, node)
  for (const name of diskFolders) mkdirSync(join(folder, name), { recursive: true })
  const cgroup = machineCgroup(cluster, node)
  makeEverywhere(cgroup, hierarchies)
  const boot = join(import.meta.dirname, 'node-init.sh')
  const namespaces = ['--net', '--mount', '--uts', '--cgroup', '--pid', '--fork']
  const lines = hierarchies.map(
    ({ version, options, mount }) =>
      `${version === 2 ? 'cgroup2 -' : `cgroup ${mountOptions(options)}`} ${mount}`,
  )
  const outer = startDetached({
    cgroups: foldersOf(cgroup, hierarchies),
    argv: ['unshare', ...namespaces, 'sh', boot, node, folder, parts],
    log: logFile({ cluster, machine: node }, 'init'),
    stdin: `${lines.join('\n')}\n`,
  })
  const place = await booted(cluster, node, hierarchies)
  // Where controllers of version 2 are in use, a cgroup with others below it must hold no process.
  const holders = join(clusterCgroup(cluster), 'holders')
  makeEverywhere(holders, hierarchies)
  writeFileSync(join(unifiedFolder(holders, hierarchies), 'cgroup.procs'), `${outer}`)
  return place
}

function mountOptions(options: string): string {
  return options.startsWith('name=') ? `none,${options}` : options
}

async function booted(
  cluster: string,
  machine: string,
  hierarchies: readonly Hierarchy[],
): Promise<Place> {
  try {
    return await waitFor(`${machine} to boot`, () => findPlace(cluster, machine, hierarchies))
  } catch (error) {
    throw new Error(`${machine} did not boot: ${logTail({ cluster, machine }, 'init')}`, {
      cause: error,
    })
  }
}

/** One bridge joins all machines; the control plane's has it, and is the others' default router. */
export async function connectControl(control: Place): Promise<void> {
  const { v4, v6 } = routerAddresses(true)
  await ipBatch(netnsOf(control), [
    'link set lo up',
    `link add ${BRIDGE} type bridge forward_delay 0 mcast_snooping 0`,
    `link set ${BRIDGE} up`,
    `address add ${v4}/24 dev ${BRIDGE}`,
    `address add ${v6}/64 dev ${BRIDGE} nodad`,
    ...routesToPods(undefined),
  ])
}

export async function connectNode(control: Place, node: Place): Promise<void> {
  await joinFabric({ netns: netnsOf(control) }, [memberOf(node)])
}

function memberOf(node: Place): FabricMember {
  const index = nodeIndex(node.machine)
  return {
    netns: netnsOf(node),
    port: node.machine,
    addresses: nodeAddresses(index, true),
    routes: routesToPods(index),
    sysctls: {
      'net.ipv4.ip_forward': '1',
      'net.ipv6.conf.all.forwarding': '1',
    },
  }
}

export function nodeIndex(node: string): number {
  const index = nodeNames.findIndex((name) => name === node)
  if (index < 0) throw new Error(`there is no node '${node}': there are ${nodeNames.join(', ')}`)
  return index
}

/** Through the nodes that have them; what belongs to no node goes nowhere. */
function routesToPods(own: number | undefined): readonly string[] {
  const others = nodeNames.flatMap((_, index) => {
    if (index === own) return []
    const [pods, node] = [podCidrs(index, true), nodeAddresses(index, true)]
    return [`route add ${pods.v4} via ${node.v4}`, `route add ${pods.v6} via ${node.v6}`]
  })
  return [
    ...others,
    `route add unreachable ${POD_NETWORK_V4}`,
    `route add unreachable ${POD_NETWORK_V6}`,
  ]
}
