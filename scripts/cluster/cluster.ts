import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createDenials, type Denials, type DenialTarget } from '../../src/lab/faults.ts'
import { ipBatch } from '../../src/lab/net/ip.ts'
import { cutLink, type Undo } from '../../src/lab/net/link-faults.ts'
import { partsCache } from './cache.ts'
import { readHierarchies, removeEverywhere } from './cgroups.ts'
import { controlService } from './control-plane.ts'
import { importImage } from './images.ts'
import { type Kubectl, kubectlOf } from './kubectl.ts'
import { bootNode, connectNode } from './machines.ts'
import { clusterPaths, nodeFolder, nodeNames } from './names.ts'
import { nodeService, nodeServices } from './node-services.ts'
import {
  enterArgv,
  findPlace,
  machineCgroup,
  netnsOf,
  type Place,
  startService,
  stopService,
} from './place.ts'
import { containerdReady, nodeReady, serverReady } from './ready.ts'
import { run, type RunOptions } from '../command.ts'

/** What a NetworkPolicy would not let through. Pods by `namespace/name`; what is absent is any. */
export interface PolicyDrop {
  readonly from?: string
  readonly to: string
  readonly port?: number
  /** True: cuts established connections as well, which NetworkPolicy does not. */
  readonly established?: boolean
}

/** A cluster that runs, to work with and to break. */
export interface Cluster {
  readonly name: string
  /** Folder of kubectl, helm and the others. */
  readonly bin: string
  readonly kubeconfig: string
  readonly kubectl: Kubectl
  readonly nodes: readonly string[]
  /** @throws Error when the machine (a node, or `control`) does not run */
  place(machine: string): Place
  /** Runs a command on a machine, as a service of it. @returns its standard output */
  exec(machine: string, argv: readonly string[], options?: RunOptions): Promise<string>
  /** Puts an image's archive on every node. */
  load(archive: string): Promise<void>
  deny(drop: PolicyDrop): Promise<Undo>
  /** Nothing gets to or from the other machines any more, and nobody is told. */
  cutLink(node: string): Promise<Undo>
  /** Kills one service of a machine; containers go on when it is containerd or the kubelet. */
  stop(machine: string, service: string): Promise<void>
  /** Starts it again, and returns when it is ready. */
  start(machine: string, service: string): Promise<void>
  /** The node's power fails: everything on it ends at once, its disk stays. */
  powerOff(node: string): Promise<void>
  /** Returns when the node is Ready. */
  boot(node: string): Promise<void>
}

/** A handle on a cluster that stands. @throws Error when there is none of that name */
export function openCluster(name: string): Cluster {
  const { folder, kubeconfig } = clusterPaths(name)
  if (!existsSync(folder)) {
    throw new Error(
      `there is no cluster ${name}: \`npm run cluster -- up --name ${name}\` makes it`,
    )
  }
  const { bin } = partsCache()
  const kubectl = kubectlOf(name, bin)
  const place = (machine: string) => runningPlace(name, machine)
  const exec: Cluster['exec'] = (machine, argv, options) =>
    run(enterArgv(place(machine), argv), options)
  const start: Cluster['start'] = async (machine, service) => {
    const at = place(machine)
    const { isNode } = at
    const since = service === 'kubelet' ? new Date() : new Date(0)
    startService(at, isNode ? nodeService(machine, service) : controlService(name, service, bin))
    if (service === 'containerd') await containerdReady(at)
    else if (isNode) await nodeReady(at, kubectl, since)
    else await serverReady(at, kubectl)
  }
  return {
    name,
    bin,
    kubeconfig,
    kubectl,
    nodes: nodeNames,
    place,
    exec,
    start,
    load: async (archive) => {
      await Promise.all(nodeNames.map((node) => importImage(place(node), archive)))
    },
    deny: denying(kubectl, exec, (node) => netnsOf(place(node))),
    cutLink: (node) => cutLink({ netns: netnsOf(place('control')) }, { port: place(node).machine }),
    stop: (machine, service) => stopService(place(machine), service),
    powerOff: (node) => powerOff(name, place(node)),
    boot: async (node) => {
      await bootNode(name, node, readHierarchies(), bin)
      await connectNode(place('control'), place(node))
      for (const service of nodeServices) await start(node, service)
    },
  }
}

function runningPlace(cluster: string, machine: string): Place {
  const found = findPlace(cluster, machine, readHierarchies())
  if (found !== undefined) return found
  const names = ['control', ...nodeNames].join(', ')
  throw new Error(`${machine} of cluster ${cluster} does not run (machines: ${names})`)
}

async function powerOff(cluster: string, node: Place): Promise<void> {
  await removeEverywhere(machineCgroup(cluster, node.machine), node.hierarchies)
  // What a machine has in memory.
  rmSync(join(nodeFolder(cluster, node.machine), 'run'), { recursive: true, force: true })
  const control = runningPlace(cluster, 'control')
  // The kernel takes its time with a namespace's end, and the name is needed again.
  await ipBatch(netnsOf(control), [`link delete ${node.machine}`]).catch(() => {})
}

/** Rules at the node's end of the target pod's link, in that node's forwarding chain. */
function denying(
  kubectl: Kubectl,
  exec: Cluster['exec'],
  netnsOfNode: (node: string) => string,
): Cluster['deny'] {
  const ofNode = new Map<string, Denials>()
  return async ({ from, to, ...rest }) => {
    const target = await findPod(kubectl, to)
    const addresses = target.addresses
    const routes = await exec(target.node, ['ip', '-json', 'route', 'get', addresses.v4])
    const [route] = JSON.parse(routes) as readonly { readonly dev?: string }[]
    const source = from === undefined ? {} : { from: await findPod(kubectl, from) }
    const denials = ofNode.get(target.node) ?? createDenials(netnsOfNode(target.node))
    ofNode.set(target.node, denials)
    const named = { name: to, addresses, hostInterface: route?.dev ?? '' }
    return denials.deny({ ...rest, ...source, to: named })
  }
}

/** @param pod `namespace/name` */
async function findPod(
  kubectl: Kubectl,
  pod: string,
): Promise<DenialTarget & { readonly node: string }> {
  const [namespace = '', name = ''] = pod.split('/')
  const text = await kubectl(['get', 'pod', name, `--namespace=${namespace}`, '-o', 'json'])
  const { spec, status } = JSON.parse(text) as PodObject
  const ips = (status.podIPs ?? []).map(({ ip }) => ip)
  const v4 = ips.find((ip) => !ip.includes(':'))
  if (v4 === undefined || spec.nodeName === undefined)
    throw new Error(`pod ${pod} has no address yet`)
  const addresses = { v4, v6: ips.find((ip) => ip.includes(':')) }
  return { name: pod, addresses, hostInterface: '', node: spec.nodeName }
}

interface PodObject {
  readonly spec: { readonly nodeName?: string }
  readonly status: { readonly podIPs?: readonly { readonly ip: string }[] }
}
