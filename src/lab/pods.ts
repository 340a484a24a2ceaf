import { removeCgroup } from './cgroup.ts'
import type { ObjectMeta, PodObject } from './kube/objects.ts'
import { type PodSpec, podObject } from './kube/specs.ts'
import type { Cluster } from './cluster.ts'
import { deleteNetns, ipBatch } from './net/ip.ts'
import { connectPods, disconnectPods } from './net/pod-network.ts'
import type { NodeParts } from './node.ts'
import { type LabPod, planPod, type PodParts, startSandbox } from './pod.ts'

export type Annotations = Readonly<Record<string, string | undefined>>

/** What of a lab is about pods. */
export interface PodVerbs {
  addPod(spec: PodSpec): Promise<LabPod>
  /** Quicker than one by one. All of them or none. */
  addPods(specs: readonly PodSpec[]): Promise<LabPod[]>
  /** Kills their processes; their addresses may be used again at once. */
  removePod(...pods: readonly LabPod[]): Promise<void>
  /** As its readiness probe would say. */
  setReady(pod: LabPod, ready: boolean): Promise<void>
  /** As `kubectl delete` begins: an endpoint no more, but its processes go on. */
  setTerminating(pod: LabPod): Promise<void>
  /** Undefined takes an annotation away. */
  annotatePod(pod: LabPod, annotations: Annotations): Promise<void>
}

export interface Pods {
  readonly running: ReadonlyMap<LabPod, PodParts>
  readonly verbs: PodVerbs
}

/** @param settle brings the nodes' rules to what the objects say */
export function createPods(cluster: Cluster, settle: () => Promise<void>): Pods {
  const { objects } = cluster
  const running = new Map<LabPod, PodParts>()
  const names = new Set<string>()
  const update = async (pod: LabPod, change: (object: PodObject) => PodObject) => {
    objects.update('Pod', pod.namespace, pod.name, change)
    await settle()
  }
  const addPods = async (specs: readonly PodSpec[]) => {
    const planned: PodParts[] = []
    try {
      for (const spec of specs) {
        claimName(names, keyOf(spec))
        planned.push(plan(cluster, spec))
      }
      await makePods(cluster, planned)
    } catch (error) {
      await unmakePods(cluster, planned)
      for (const { pod } of planned) names.delete(keyOf(pod))
      throw error
    }
    for (const parts of planned) {
      running.set(parts.pod, parts)
      objects.put(podObject(parts.spec, parts.placement))
    }
    await settle()
    return planned.map(({ pod }) => pod)
  }
  const removePod = async (...pods: readonly LabPod[]) => {
    const parts = pods.flatMap((pod) => running.get(pod) ?? [])
    for (const { pod } of parts) {
      running.delete(pod)
      const object = objects.get('Pod', pod.namespace, pod.name)
      if (object !== undefined) objects.remove(object)
    }
    await unmakePods(cluster, parts)
    for (const { pod } of parts) names.delete(keyOf(pod))
    await settle()
  }
  const verbs: PodVerbs = {
    addPods,
    addPod: async (spec) => (await addPods([spec]))[0] as LabPod,
    removePod,
    setReady: (pod, ready) => update(pod, (object) => withReadiness(object, ready)),
    setTerminating: (pod) => update(pod, withDeletion),
    annotatePod: (pod, annotations) =>
      update(pod, (object) => ({ ...object, metadata: annotated(object.metadata, annotations) })),
  }
  return { running, verbs }
}

function keyOf({ namespace = 'default', name }: Pick<PodSpec, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`
}

/** Names stand in files and namespaces of the machine: nobody else's must be undone with ours. */
function claimName(names: Set<string>, name: string): void {
  if (names.has(name)) throw new Error(`there is a pod ${name} already`)
  names.add(name)
}

export function annotated(metadata: ObjectMeta, changes: Annotations): ObjectMeta {
  const merged = Object.entries({ ...metadata.annotations, ...changes })
  const kept = merged.filter((entry): entry is [string, string] => entry[1] !== undefined)
  return { ...metadata, annotations: Object.fromEntries(kept) }
}

function plan(cluster: Cluster, spec: PodSpec): PodParts {
  const node = cluster.nodes.find((one) => one.node.name === spec.node)
  if (node === undefined) throw new Error(`the lab has no node ${spec.node}`)
  return planPod(cluster.name, { cgroupStyle: cluster.cgroupStyle, ...spec }, node)
}

async function makePods({ nodes }: Cluster, planned: readonly PodParts[]): Promise<void> {
  const namespaces = planned.map(({ netnsName }) => netnsName).filter(Boolean)
  await ipBatch(
    undefined,
    namespaces.map((name) => `netns add ${name}`),
  )
  await Promise.all(
    nodes.map(async (node) => {
      const links = linksOn(node, planned)
      if (links.length > 0) await connectPods(node.node, links)
    }),
  )
  await Promise.all(planned.map(startSandbox))
}

/** Works on whatever there is of them, so it also undoes what was made half-way. */
async function unmakePods({ nodes }: Cluster, parts: readonly PodParts[]): Promise<void> {
  await Promise.all(parts.map(({ pod }) => removeCgroup(pod.cgroup)))
  await Promise.all(nodes.map((node) => disconnectPods(node.node, linksOn(node, parts))))
  await deleteNetns(parts.map(({ netnsName }) => netnsName).filter(Boolean))
  for (const { pod, addressIndex } of parts) {
    if (pod.hostNetwork) continue
    nodes.find(({ node }) => node === pod.node)?.podIndexes.release(addressIndex)
  }
}

function linksOn({ node }: NodeParts, parts: readonly PodParts[]) {
  return parts.filter(({ pod }) => pod.node === node).flatMap(({ link }) => link ?? [])
}

function withReadiness(object: PodObject, ready: boolean): PodObject {
  const status = ready ? 'True' : 'False'
  const statuses = object.status.containerStatuses.map((container) => ({ ...container, ready }))
  const conditions = [{ type: 'Ready', status }] as const
  return { ...object, status: { ...object.status, conditions, containerStatuses: statuses } }
}

function withDeletion(object: PodObject): PodObject {
  const deletionTimestamp = new Date().toISOString()
  return { ...object, metadata: { ...object.metadata, deletionTimestamp } }
}
