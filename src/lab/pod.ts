import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { containerFolder, makeCgroup, podFolder, processesOf } from './cgroup.ts'
import type { PodPlacement, PodSpec } from './kube/specs.ts'
import { netnsName, netnsPath } from './names.ts'
import { type Addresses, podAddresses } from './net/addresses.ts'
import type { PodLink } from './net/pod-network.ts'
import { type LabNode, newContainerId, type NodeParts } from './node.ts'
import { pauseArgv } from './process/enter.ts'
import { type LabProcess, startProcess } from './process/process.ts'
import { createRunner, type Runner } from './runner.ts'

/** A pod: its commands run in its only container. */
export interface LabPod extends Runner {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly containerId: string
  readonly node: LabNode
  readonly addresses: Addresses
  readonly hostNetwork: boolean
  /** File of its network namespace (the node's, with hostNetwork). */
  readonly netns: string
  /** Absolute folder of the pod; its containers are below. */
  readonly cgroup: string
  /** The node's end of its link; empty with hostNetwork. */
  readonly hostInterface: string
  /** Process ids of all that runs in it, its pause process included. */
  processes(): number[]
}

/** What the lab alone needs of a pod. */
export interface PodParts {
  readonly pod: LabPod
  readonly spec: PodSpec
  readonly placement: PodPlacement
  /** Undefined with hostNetwork. */
  readonly link: PodLink | undefined
  /** Empty with hostNetwork. */
  readonly netnsName: string
  readonly addressIndex: number
  readonly sandboxCgroup: string
}

/** Decides names, addresses and folders; touches nothing but the address allocator. */
export function planPod(lab: string, spec: PodSpec, { node, podIndexes }: NodeParts): PodParts {
  const {
    namespace = 'default',
    name,
    qos = 'besteffort',
    cgroupStyle = 'cgroupfs',
    hostNetwork = false,
  } = spec
  const addressIndex = hostNetwork ? -1 : podIndexes.take(spec.addressIndex)
  const ownName = hostNetwork ? '' : netnsName(lab, `pod.${namespace}.${name}`)
  const netns = hostNetwork ? node.netns : netnsPath(ownName)
  const addresses = hostNetwork
    ? node.addresses
    : podAddresses(node.index, addressIndex, node.addresses.v6 !== undefined)
  const uid = randomUUID()
  const containerId = newContainerId()
  const cgroup = join(node.cgroup, podFolder(cgroupStyle, qos, uid))
  const hostInterface = hostNetwork ? '' : `veth${addressIndex}`
  const pod: LabPod = {
    namespace,
    name,
    uid,
    containerId,
    node,
    addresses,
    hostNetwork,
    netns,
    cgroup,
    hostInterface,
    processes: () => processesOf(cgroup),
    ...createRunner({ cgroup: join(cgroup, containerFolder(cgroupStyle, containerId)), netns }),
  }
  return {
    pod,
    spec,
    placement: { uid, containerId, addresses, nodeAddress: node.addresses.v4 },
    link: hostNetwork ? undefined : { netns, hostInterface, addresses },
    netnsName: ownName,
    addressIndex,
    sandboxCgroup: join(cgroup, containerFolder(cgroupStyle, newContainerId())),
  }
}

/**
 * In kubelet's order: the pod's cgroup, then (the network is there) its sandbox, then its
 * container.
 */
export async function startSandbox({ pod, sandboxCgroup, spec }: PodParts): Promise<LabProcess> {
  makeCgroup(sandboxCgroup)
  const pause = startProcess(pauseArgv({ cgroup: sandboxCgroup, netns: pod.netns }))
  await pause.waitForLine(/^ready$/)
  makeCgroup(join(pod.cgroup, containerFolder(spec.cgroupStyle ?? 'cgroupfs', pod.containerId)))
  return pause
}
