import { mkdirSync } from 'node:fs'
import { prepareBpffs } from './bpffs.ts'
import type { CgroupStyle } from './cgroup.ts'
import type { Cluster } from './cluster.ts'
import { createDenials, type Denial, type Denials } from './faults.ts'
import { addHost, type LabHost } from './host.ts'
import { nodeObject } from './kube/specs.ts'
import { createObjectStore, type ObjectStore } from './kube/store.ts'
import { type LabPaths, netnsName } from './names.ts'
import { MAX_NODES } from './net/addresses.ts'
import { buildFabric, type Fabric, joinFabric } from './net/fabric.ts'
import { ipBatch } from './net/ip.ts'
import { cutLink, delayLink, type Undo } from './net/link-faults.ts'
import { createNode, fabricMember, type LabNode, nodeNetnsName } from './node.ts'
import { claimLab } from './owner.ts'
import type { LabPod } from './pod.ts'
import { type ObjectVerbs, objectVerbs } from './object-verbs.ts'
import { createPods, type PodVerbs } from './pods.ts'

export interface LabOptions {
  /** Unique on the machine; made up when absent. */
  readonly name?: string
  /** `node1` and `node2`, each in a zone of its own, `zone1` and `zone2`. */
  readonly nodes?: readonly string[]
  /** True. */
  readonly ipv6?: boolean
  /** Of pods that do not say otherwise: `cgroupfs`. */
  readonly cgroupStyle?: CgroupStyle
}

/**
 * A cluster on this machine: nodes, pods and services out of network namespaces and cgroups.
 * Whatever ends the process that made it, everything is cleaned up.
 */
export interface Lab extends PodVerbs, ObjectVerbs, AsyncDisposable {
  readonly name: string
  readonly paths: LabPaths
  readonly ipv6: boolean
  readonly cgroupStyle: CgroupStyle
  readonly nodes: readonly LabNode[]
  /** @throws Error when there is no such node */
  node(name: string): LabNode
  readonly objects: ObjectStore
  readonly pods: readonly LabPod[]
  /** Drops packets at the target's link, as a NetworkPolicy would have it. */
  deny(denial: Denial<LabPod>): Promise<Undo>
  /** Nothing gets to or from the other nodes any more, and nobody is told. */
  cutLink(node: LabNode): Promise<Undo>
  /** Everything to and from the other nodes is that much later, each way. */
  delayLink(node: LabNode, delayMs: number): Promise<Undo>
  /** A machine outside the cluster, on the nodes' network. */
  addHost(name: string): Promise<LabHost>
  close(): Promise<void>
}

let labsMade = 0

/**
 * Needs root. @throws Error when the name is taken or a tool of the machine fails; nothing is left
 * then
 */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const {
    name = `p${process.pid}-${++labsMade}`,
    nodes: names = ['node1', 'node2'],
    ipv6 = true,
    cgroupStyle = 'cgroupfs',
  } = options
  if (process.getuid?.() !== 0) throw new Error('a lab needs root: network namespaces and cgroups')
  if (names.length > MAX_NODES) throw new Error(`a lab has at most ${MAX_NODES} nodes`)
  const ownership = claimLab(name)
  try {
    const { paths } = ownership
    const parts = names.map((node, index) =>
      createNode({ lab: name, paths, name: node, index, zone: `zone${index + 1}`, ipv6 }),
    )
    const labNodes = parts.map(({ node }) => node)
    await prepareBpffs(labNodes.map(({ bpffs }) => bpffs))
    const fabric = await buildNetwork(name, labNodes)
    const objects = createObjectStore()
    for (const { node } of parts)
      objects.put(nodeObject(node.name, node.zone, node.addresses, node.podCidrs))
    const cluster = { name, ipv6, cgroupStyle, paths, nodes: parts, fabric, objects }
    return assemble(cluster, ownership.release)
  } catch (error) {
    await ownership.release()
    throw error
  }
}

async function buildNetwork(lab: string, nodes: readonly LabNode[]): Promise<Fabric> {
  const namespaces = [
    netnsName(lab, 'fabric'),
    ...nodes.map((node) => nodeNetnsName(lab, node.name)),
  ]
  await ipBatch(
    undefined,
    namespaces.map((namespace) => `netns add ${namespace}`),
  )
  for (const node of nodes) mkdirSync(node.run, { recursive: true })
  const fabric = await buildFabric(
    lab,
    nodes.some(({ addresses }) => addresses.v6 !== undefined),
  )
  await joinFabric(
    fabric,
    nodes.map((node) => fabricMember(node, nodes)),
  )
  return fabric
}

function assemble(cluster: Cluster, release: () => Promise<void>): Lab {
  const { objects, nodes } = cluster
  const settle = async () => {
    await Promise.all(nodes.map(({ kubeProxy }) => kubeProxy.sync(objects.list())))
  }
  const { running, verbs } = createPods(cluster, settle)
  const find = (name: string) => {
    const found = nodes.find(({ node }) => node.name === name)
    if (found === undefined) throw new Error(`the lab has no node ${name}`)
    return found
  }
  let hosts = 0
  let closed: Promise<void> | undefined
  const close = () => (closed ??= release())
  const denials = new Map<LabNode, Denials>()
  return {
    name: cluster.name,
    paths: cluster.paths,
    ipv6: cluster.ipv6,
    cgroupStyle: cluster.cgroupStyle,
    nodes: nodes.map(({ node }) => node),
    node: (name) => find(name).node,
    objects,
    ...objectVerbs(cluster, settle),
    ...verbs,
    get pods() {
      return [...running.keys()]
    },
    deny: (denial) => {
      const { node } = denial.to
      const ofNode = denials.get(node) ?? createDenials(node.netns)
      denials.set(node, ofNode)
      return ofNode.deny(denial)
    },
    cutLink: (node) => cutLink(cluster.fabric, node),
    delayLink: (node, delayMs) => delayLink(cluster.fabric, node, delayMs, cluster.paths.cgroup),
    addHost: (name) =>
      addHost(cluster.name, cluster.paths, cluster.fabric, {
        name,
        index: hosts++,
        ipv6: cluster.ipv6,
      }),
    close,
    [Symbol.asyncDispose]: close,
  }
}
