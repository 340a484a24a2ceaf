import { sameData } from '../../model/equal.ts'
import type { MeshSettings, PodEnrolment, Workload } from '../../model/resources.ts'
import {
  type CompiledPod,
  compilePod,
  ownAddresses,
  type PodSurroundings,
} from '../compile/compile-pods.ts'
import type { PodFacts } from '../compile/facts.ts'
import { createAddressOwners } from './address-owners.ts'
import { type FactStore, factKey } from './fact-store.ts'
import { createIndexSets } from './index-sets.ts'
import { createPodUids } from './pod-uids.ts'
import type { ProblemLog } from './problem-log.ts'

/** Pods as workloads and enrolments, each made again only when something of it changed. */
export interface IncrementalPods {
  /** The facts of a pod are other ones now. */
  changed(key: string, before: PodFacts | undefined, now: PodFacts | undefined): void
  namespaceChanged(name: string): void
  nodeChanged(name: string): void
  runtimeClassChanged(name: string): void
  /** The settings are other ones. */
  allChanged(): void
  workload(key: string): Workload | undefined
  workloadAt(ip: string): Workload | undefined
  /** The one pod that is enrolled by that uid. */
  enrolment(uid: string): PodEnrolment | undefined
  flush(mesh: MeshSettings): PodChanges
}

export interface PodChanges {
  /** Keys of pods whose workload is another, with both. */
  readonly workloads: ReadonlyMap<string, WorkloadChange>
  /** Uids of enrolments that may be other ones. */
  readonly enrolments: ReadonlySet<string>
  /** Addresses that are another workload's now. */
  readonly ips: ReadonlySet<string>
}

export interface WorkloadChange {
  readonly before: Workload | undefined
  readonly now: Workload | undefined
}

export function createIncrementalPods(facts: FactStore, problems: ProblemLog): IncrementalPods {
  const byNamespace = createIndexSets()
  const byNode = createIndexSets()
  const byRuntimeClass = createIndexSets()
  const owners = createAddressOwners(facts, problems)
  const uids = createPodUids(facts, problems)
  const compiled = new Map<string, CompiledPod>()
  const dirty = new Set<string>()

  function workload(key: string): Workload | undefined {
    return compiled.get(key)?.workload
  }

  function renew(key: string, around: PodSurroundings): void {
    const pod = facts.get('Pod', key)
    if (pod === undefined || pod.node === '') {
      compiled.delete(key)
      return
    }
    const own = ownAddresses(pod, (ip) => owners.get(ip) === key)
    compiled.set(key, compilePod(pod, own, around))
    uids.compiled(pod.uid)
  }

  return {
    workload,
    workloadAt: (ip) => workload(owners.get(ip) ?? ''),
    enrolment(uid) {
      const pod = uids.pod(uid)
      return pod === undefined ? undefined : compiled.get(factKey(pod))?.enrolment
    },
    changed(key, before, now) {
      dirty.add(key)
      byNamespace.set(key, now === undefined ? [] : [now.namespace])
      byNode.set(key, now === undefined ? [] : [now.node])
      const runtimeClass = now?.runtimeClass ?? ''
      byRuntimeClass.set(key, runtimeClass === '' ? [] : [runtimeClass])
      owners.changed(key, now)
      uids.changed(key, before, now)
    },
    namespaceChanged(name) {
      for (const key of byNamespace.get(name)) dirty.add(key)
    },
    nodeChanged(name) {
      for (const key of byNode.get(name)) dirty.add(key)
    },
    runtimeClassChanged(name) {
      for (const key of byRuntimeClass.get(name)) dirty.add(key)
    },
    allChanged() {
      for (const key of facts.keys('Pod')) dirty.add(key)
    },
    flush(mesh) {
      const { ips, pods } = owners.settle()
      for (const key of pods) dirty.add(key)
      const workloads = new Map<string, WorkloadChange>()
      const around = surroundings(facts, mesh)
      for (const key of dirty) {
        const before = workload(key)
        renew(key, around)
        const now = workload(key)
        if (!sameData(before, now)) workloads.set(key, { before, now })
      }
      dirty.clear()
      return { workloads, enrolments: uids.settle(), ips }
    },
  }
}

function surroundings(facts: FactStore, mesh: MeshSettings): PodSurroundings {
  return {
    mesh,
    namespaces: { get: (name: string) => facts.get('Namespace', `/${name}`) },
    nodes: { get: (name: string) => facts.get('Node', `/${name}`) },
    runtimeClasses: { get: (name: string) => facts.get('RuntimeClass', `/${name}`) },
  }
}
