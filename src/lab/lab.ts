import { mkdirSync } from 'node:fs'
import { prepareBpffs } from './bpffs.ts'
import { removeCgroup } from './cgroup.ts'
import { createDenials, type Denial, type Denials } from './faults.ts'
import { addHost, type LabHost } from './host.ts'
import type { ObjectMeta, PodObject, ServiceObject } from './kube/objects.ts'
import {
  nodeObject,
  type PodSpec,
  podObject,
  type ServiceSpec,
  serviceObject,
} from './kube/specs.ts'
import { createObjectStore, type ObjectStore } from './kube/store.ts'
import { type LabPaths, netnsName } from './names.ts'
import { MAX_NODES } from './net/addresses.ts'
import { buildFabric, type Fabric, joinFabric } from './net/fabric.ts'
import { deleteNetns, ipBatch } from './net/ip.ts'
import { cutLink, delayLink, type Undo } from './net/link-faults.ts'
import { connectPods, disconnectPods } from './net/pod-network.ts'
import { createNode, fabricMember, type LabNode, nodeNetnsName, type NodeParts } from './node.ts'
import { claimLab } from './owner.ts'
import { type LabPod, planPod, type PodParts, startSandbox } from './pod.ts'

export interface LabOptions {
  /** Unique on the machine; made up when absent. */
  readonly name?: string
  /** `node1` and `node2`, each in a zone of its own, `zone1` and `zone2`. */
  readonly nodes?: readonly string[]
  /** True. */
  readonly ipv6?: boolean
}

/**
 * A cluster on this machine: nodes, pods and services out of network namespaces and cgroups. Whatever ends
 * the process that made it, everything is cleaned up.
 */
export interface Lab extends AsyncDisposable {
  readonly name: string
  readonly paths: LabPaths
  readonly ipv6: boolean
  readonly nodes: readonly LabNode[]
  /** @throws Error when there is no such node */
  node(name: string): LabNode
  readonly objects: ObjectStore
  addPod(spec: PodSpec): Promise<LabPod>
  /** Quicker than one by one. */
  addPods(specs: readonly PodSpec[]): Promise<LabPod[]>
  /** Kills its processes; its address may be used again at once. */
  removePod(...pods: readonly LabPod[]): Promise<void>
  readonly pods: readonly LabPod[]
  addService(spec: ServiceSpec): Promise<ServiceObject>
  removeService(namespace: string, name: string): Promise<void>
  /** As its readiness probe would say. */
  setReady(pod: LabPod, ready: boolean): Promise<void>
  /** As `kubectl delete` begins: an endpoint no more, but its processes go on. */
  setTerminating(pod: LabPod): Promise<void>
  /** Undefined takes an annotation away. */
  annotateNamespace(namespace: string, annotations: Annotations): Promise<void>
  annotatePod(pod: LabPod, annotations: Annotations): Promise<void>
  /** Drops packets at the target's link, as a NetworkPolicy would have it. */
  deny(denial: Denial): Promise<Undo>
  /** Nothing gets to or from the other nodes any more, and nobody is told. */
  cutLink(node: LabNode): Promise<Undo>
  /** Everything to and from the other nodes is that much later, each way. */
  delayLink(node: LabNode, delayMs: number): Promise<Undo>
  /** A machine outside the cluster, on the nodes' network. */
  addHost(name: string): Promise<LabHost>
  close(): Promise<void>
}

export type Annotations = Readonly<Record<string, string | undefined>>

let labsMade = 0

/** Needs root. @throws Error when the name is taken or a tool of the machine fails; nothing is left then */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const {
    name = `p${process.pid}-${++labsMade}`,
    nodes: names = ['node1', 'node2'],
    ipv6 = true,
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
    const cluster = { name, ipv6, paths, nodes: parts, fabric, objects }
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

interface Cluster {
  readonly name: string
  readonly ipv6: boolean
  readonly paths: LabPaths
  readonly nodes: readonly NodeParts[]
  readonly fabric: Fabric
  readonly objects: ObjectStore
}

function assemble(cluster: Cluster, release: () => Promise<void>): Lab {
  const { objects, nodes } = cluster
  const settle = async () => {
    await Promise.all(nodes.map(({ kubeProxy }) => kubeProxy.sync(objects.list())))
  }
  const pods = podKeeper(cluster, settle)
  const find = (name: string) => {
    const found = nodes.find(({ node }) => node.name === name)
    if (found === undefined) throw new Error(`the lab has no node ${name}`)
    return found
  }
  let services = 0
  let hosts = 0
  let closed: Promise<void> | undefined
  const close = () => (closed ??= release())
  const denials = new Map<LabNode, Denials>()
  return {
    name: cluster.name,
    paths: cluster.paths,
    ipv6: cluster.ipv6,
    nodes: nodes.map(({ node }) => node),
    node: (name) => find(name).node,
    objects,
    ...pods,
    addService: async (spec) => {
      const service = serviceObject(spec, services++, cluster.ipv6)
      objects.put(service)
      await settle()
      return service
    },
    removeService: async (namespace, name) => {
      const service = objects.get('Service', namespace, name)
      if (service !== undefined) objects.remove(service)
      await settle()
    },
    annotateNamespace: async (namespace, annotations) => {
      objects.update('Namespace', '', namespace, (object) => ({
        ...object,
        metadata: annotated(object.metadata, annotations),
      }))
      await settle()
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

type PodVerbs = Pick<
  Lab,
  'addPod' | 'addPods' | 'removePod' | 'pods' | 'setReady' | 'setTerminating' | 'annotatePod'
>

function podKeeper(cluster: Cluster, settle: () => Promise<void>): PodVerbs {
  const { objects, nodes } = cluster
  const running = new Map<LabPod, PodParts>()
  const nodeOf = (name: string) => {
    const found = nodes.find(({ node }) => node.name === name)
    if (found === undefined) throw new Error(`the lab has no node ${name}`)
    return found
  }
  const update = async (pod: LabPod, change: (object: PodObject) => PodObject) => {
    objects.update('Pod', pod.namespace, pod.name, change)
    await settle()
  }
  const addPods = async (specs: readonly PodSpec[]) => {
    const planned = specs.map((spec) => planPod(cluster.name, spec, nodeOf(spec.node)))
    const own = planned.filter(({ netnsName: name }) => name !== '')
    await ipBatch(
      undefined,
      own.map(({ netnsName: name }) => `netns add ${name}`),
    )
    await Promise.all(
      nodes.map(async ({ node }) => {
        const links = own.filter(({ pod }) => pod.node === node).flatMap(({ link }) => link ?? [])
        if (links.length > 0) await connectPods(node, links)
      }),
    )
    await Promise.all(planned.map(startSandbox))
    for (const parts of planned) {
      running.set(parts.pod, parts)
      objects.put(podObject(parts.spec, parts.placement))
    }
    await settle()
    return planned.map(({ pod }) => pod)
  }
  return {
    get pods() {
      return [...running.keys()]
    },
    addPods,
    addPod: async (spec) => (await addPods([spec]))[0] as LabPod,
    removePod: async (...pods) => {
      await Promise.all(pods.map((pod) => removeCgroup(pod.cgroup)))
      const parts = pods.flatMap((pod) => running.get(pod) ?? [])
      for (const { pod } of parts) {
        running.delete(pod)
        const object = objects.get('Pod', pod.namespace, pod.name)
        if (object !== undefined) objects.remove(object)
      }
      await Promise.all(
        nodes.map(({ node }) =>
          disconnectPods(
            node,
            parts.filter(({ pod }) => pod.node === node).flatMap(({ link }) => link ?? []),
          ),
        ),
      )
      await deleteNetns(parts.flatMap(({ netnsName: name }) => (name === '' ? [] : [name])))
      for (const { pod, addressIndex } of parts)
        if (!pod.hostNetwork) nodeOf(pod.node.name).podIndexes.release(addressIndex)
      await settle()
    },
    setReady: (pod, ready) => update(pod, (object) => withReadiness(object, ready)),
    setTerminating: (pod) =>
      update(pod, (object) => ({
        ...object,
        metadata: { ...object.metadata, deletionTimestamp: new Date().toISOString() },
      })),
    annotatePod: (pod, annotations) =>
      update(pod, (object) => ({ ...object, metadata: annotated(object.metadata, annotations) })),
  }
}

function withReadiness(object: PodObject, ready: boolean): PodObject {
  const status = ready ? ('True' as const) : ('False' as const)
  const containerStatuses = object.status.containerStatuses.map((container) => ({
    ...container,
    ready,
  }))
  return {
    ...object,
    status: { ...object.status, conditions: [{ type: 'Ready', status }], containerStatuses },
  }
}

function annotated(metadata: ObjectMeta, changes: Annotations): ObjectMeta {
  const merged = Object.entries({ ...metadata.annotations, ...changes })
  const annotations = Object.fromEntries(
    merged.filter((entry): entry is [string, string] => entry[1] !== undefined),
  )
  return { ...metadata, annotations }
}
