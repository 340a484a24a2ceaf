import { compareNames } from '../../model/diff.ts'
import { sameData } from '../../model/equal.ts'
import type { Locality, MeshSettings, PodEnrolment, Workload } from '../../model/resources.ts'
import {
  accelerationWish,
  failureModeWish,
  isUndecided,
  oldConnectionsWish,
} from './annotations.ts'
import { chooseEnrolment, hasEnded } from './enrolment.ts'
import type { Lookup, NamespaceFacts, NodeFacts, PodFacts, RuntimeClassFacts } from './facts.ts'
import type { ReportProblem } from './problem.ts'
import { workloadNames } from './workload-labels.ts'

export interface CompiledPods {
  /** By `namespace/name`, without their services. */
  readonly workloads: ReadonlyMap<string, Workload>
  readonly enrolments: readonly PodEnrolment[]
}

export interface PodSurroundings {
  readonly mesh: MeshSettings
  readonly namespaces: Lookup<NamespaceFacts>
  readonly nodes: Lookup<NodeFacts>
  readonly runtimeClasses: Lookup<RuntimeClassFacts>
}

/** Pods that have no node yet are nobody's work. */
export function compilePods(
  pods: readonly PodFacts[],
  around: PodSurroundings,
  report: ReportProblem,
): CompiledPods {
  const scheduled = pods.filter(({ node }) => node !== '')
  const owners = ownersOfAddresses(scheduled, report)
  const workloads = new Map<string, Workload>()
  const enrolments: PodEnrolment[] = []
  for (const pod of scheduled) {
    const ips = ownAddresses(pod, (ip) => owners.get(ip) === pod)
    const { workload, enrolment } = compilePod(pod, ips, around)
    if (workload !== undefined) workloads.set(`${pod.namespace}/${pod.name}`, workload)
    enrolments.push(enrolment)
  }
  return { workloads, enrolments }
}

/** A pod of the host's network has the node's, whoever else has them. */
export function ownAddresses(pod: PodFacts, owns: (ip: string) => boolean): readonly string[] {
  return pod.hostNetwork ? pod.ips : pod.ips.filter(owns)
}

export interface CompiledPod {
  readonly workload: Workload | undefined
  readonly enrolment: PodEnrolment
}

interface PodMemo extends CompiledPod {
  readonly ips: readonly string[]
  readonly mesh: MeshSettings
  readonly namespace: NamespaceFacts | undefined
  readonly node: NodeFacts | undefined
  readonly runtimeClass: RuntimeClassFacts | undefined
}

/**
 * Most pods are as they were in the compilation before. Facts never change, so they may be keys.
 */
const memos = new WeakMap<PodFacts, PodMemo>()

export function compilePod(
  pod: PodFacts,
  ips: readonly string[],
  around: PodSurroundings,
): CompiledPod {
  const { mesh } = around
  const namespace = around.namespaces.get(pod.namespace)
  const node = around.nodes.get(pod.node)
  const runtimeClass = around.runtimeClasses.get(pod.runtimeClass)
  const memo = memos.get(pod)
  const same =
    memo?.mesh === mesh &&
    memo.namespace === namespace &&
    memo.node === node &&
    memo.runtimeClass === runtimeClass
  if (same && sameData(memo.ips, ips)) return memo
  const workload = hasEnded(pod) ? undefined : compileWorkload(pod, ips, around)
  const enrolment = compileEnrolment(pod, ips, around, workload?.uid ?? '')
  memos.set(pod, { ips, mesh, namespace, node, runtimeClass, workload, enrolment })
  return { workload, enrolment }
}

/** Whether it has its addresses for itself. */
export function ownsAddresses(pod: PodFacts): boolean {
  return pod.node !== '' && !pod.hostNetwork && !hasEnded(pod)
}

function ownersOfAddresses(
  pods: readonly PodFacts[],
  report: ReportProblem,
): ReadonlyMap<string, PodFacts> {
  const claims = new Map<string, PodFacts[]>()
  for (const pod of pods.filter(ownsAddresses)) {
    for (const ip of new Set(pod.ips)) claims.set(ip, [...(claims.get(ip) ?? []), pod])
  }
  const owners = new Map<string, PodFacts>()
  for (const [ip, claimants] of claims) {
    const owner = ownerOfAddress(ip, claimants, report)
    if (owner !== undefined) owners.set(ip, owner)
  }
  return owners
}

/**
 * Which pod has an address. One that ended has none; while a pod is deleted, a new one may have its
 * address already; of two that both run, the younger is right, as the other's status is stale.
 */
export function ownerOfAddress(
  ip: string,
  claimants: readonly PodFacts[],
  report: ReportProblem,
): PodFacts | undefined {
  let owner: PodFacts | undefined
  for (const pod of claimants) {
    if (owner === undefined) {
      owner = pod
      continue
    }
    const [winner, loser] = isRather(pod, owner) ? [pod, owner] : [owner, pod]
    owner = winner
    if (loser.deleting) continue
    report({
      severity: 'warning',
      kind: 'Pod',
      namespace: loser.namespace,
      name: loser.name,
      field: 'status.podIPs',
      message: `has ${ip}, which Pod ${winner.namespace}/${winner.name} has too`,
      fix: 'delete the pod that is gone',
      effect: 'the younger pod has the address',
    })
  }
  return owner
}

function isRather(a: PodFacts, b: PodFacts): boolean {
  if (a.deleting !== b.deleting) return b.deleting
  if (a.created !== b.created) return a.created > b.created
  return compareNames(`${a.namespace}/${a.name}`, `${b.namespace}/${b.name}`) < 0
}

function compileWorkload(
  pod: PodFacts,
  ips: readonly string[],
  { mesh, namespaces, nodes, runtimeClasses }: PodSurroundings,
): Workload {
  const namespace = namespaces.get(pod.namespace)
  const runtimeClass = runtimeClasses.get(pod.runtimeClass)
  return {
    type: 'workload',
    uid: `${mesh.cluster}/Pod/${pod.namespace}/${pod.name}`,
    cluster: mesh.cluster,
    namespace: pod.namespace,
    name: pod.name,
    addresses: ips.map((ip) => ({ network: mesh.network, ip })),
    node: pod.node,
    hostNetwork: pod.hostNetwork,
    trustDomain: mesh.trustDomain,
    serviceAccount: pod.serviceAccount,
    locality: localityOf(nodes.get(pod.node)),
    tunnel: 'none',
    enrolled: chooseEnrolment(pod, namespace, runtimeClass).enrolled,
    ready: pod.ready,
    ...workloadNames(pod),
  }
}

export function localityOf(node: NodeFacts | undefined): Locality {
  const label = (name: string) => node?.labels[name] ?? ''
  return {
    region: label('topology.kubernetes.io/region'),
    zone: label('topology.kubernetes.io/zone'),
    subzone: label('topology.istio.io/subzone'),
  }
}

function compileEnrolment(
  pod: PodFacts,
  ips: readonly string[],
  { mesh, namespaces, runtimeClasses }: PodSurroundings,
  workload: string,
): PodEnrolment {
  const namespace = namespaces.get(pod.namespace)
  const choice = chooseEnrolment(pod, namespace, runtimeClasses.get(pod.runtimeClass))
  const undecided = [
    ...(choice.undecided ? (['enrolled'] as const) : []),
    ...otherChoices.filter((each) => isUndecided(each, pod, namespace)),
  ]
  return {
    type: 'enrolment',
    uid: pod.uid,
    namespace: pod.namespace,
    name: pod.name,
    node: pod.node,
    workload,
    addresses: ips,
    enrolled: choice.enrolled,
    reason: choice.reason,
    acceleration: accelerationWish(pod) ?? accelerationWish(namespace) ?? mesh.acceleration,
    failureMode: failureModeWish(pod) ?? failureModeWish(namespace) ?? mesh.failureMode,
    oldConnections: oldConnectionsWish(pod) ?? oldConnectionsWish(namespace) ?? mesh.oldConnections,
    ...(undecided.length === 0 ? {} : { undecided }),
  }
}

const otherChoices = ['acceleration', 'failureMode', 'oldConnections'] as const
