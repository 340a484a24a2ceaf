import { sameData } from '../../model/equal.ts'
import type { MeshSettings, Service } from '../../model/resources.ts'
import { claimsOf, oldestOf, withoutTaken } from '../compile/address-conflicts.ts'
import {
  type CompiledGroup,
  compileGroup,
  groupOf,
  type ServiceSurroundings,
} from '../compile/compile-services.ts'
import type { ServiceFacts, SliceFacts } from '../compile/facts.ts'
import { type FactStore, factKey } from './fact-store.ts'
import { createIndexSets, type IndexSets } from './index-sets.ts'
import type { IncrementalPods, PodChanges } from './pods.ts'
import type { ProblemLog } from './problem-log.ts'

/** Services with their endpoints, each made again only when something of it changed. */
export interface IncrementalServices {
  serviceChanged(now: ServiceFacts | undefined, key: string): void
  slicesChanged(before: SliceFacts | undefined, now: SliceFacts | undefined): void
  nodeChanged(name: string): void
  /** Pods were compiled anew: their addresses may be others now. */
  podsChanged(changes: PodChanges): void
  allChanged(): void
  flush(mesh: MeshSettings): ServiceChanges
  /** Keys of the services that have a workload among their endpoints. */
  servicesOf(workloadUid: string): ReadonlySet<string>
}

export interface ServiceChanges {
  /** By key of the service: what it is now; undefined where it is gone. */
  readonly services: ReadonlyMap<string, Service | undefined>
  /** Uids of workloads that are endpoints of other services than before. */
  readonly members: ReadonlySet<string>
}

export function createIncrementalServices(
  facts: FactStore,
  pods: IncrementalPods,
  problems: ProblemLog,
  clusterDomain: string,
): IncrementalServices {
  const slices = createIndexSets()
  const claims = createIndexSets()
  /** What a group was made with, so that it is made again when that changes. */
  const uses = createIndexSets()
  const members = createMembers()
  const compiled = new Map<string, CompiledGroup>()
  const dirty = new Set<string>()

  const compileOne = groupCompiler(facts, problems, surroundings(facts, pods, clusterDomain), {
    claims,
    slices,
    uses,
  })

  function markUsers(use: string): void {
    for (const group of uses.get(use)) dirty.add(group)
  }

  return {
    servicesOf: (uid) => members.get(uid),
    serviceChanged(now, key) {
      dirty.add(key)
      const claimed = now === undefined ? [] : claimsOf(now)
      for (const claim of [...claims.keysOf(key), ...claimed]) {
        for (const other of claims.get(claim)) dirty.add(other)
      }
      claims.set(key, claimed)
    },
    slicesChanged(before, now) {
      const slice = now ?? before
      if (slice === undefined) return
      for (const each of [before, now]) if (each !== undefined) dirty.add(groupOf(each))
      slices.set(factKey(slice), now === undefined ? [] : [groupOf(now)])
    },
    nodeChanged: (name) => markUsers(`node ${name}`),
    podsChanged(changes) {
      for (const use of usesChanged(changes)) markUsers(use)
    },
    allChanged() {
      for (const key of facts.keys('Service')) dirty.add(key)
    },
    flush(mesh) {
      const changed = new Map<string, Service | undefined>()
      for (const group of dirty) {
        const before = compiled.get(group)
        const now = compileOne(group, mesh)
        if (now === undefined) compiled.delete(group)
        else compiled.set(group, now)
        const key = (now ?? before)?.service.key
        if (key === undefined) continue
        changed.set(key, now?.service)
        members.set(key, now?.members ?? none)
      }
      dirty.clear()
      return { services: changed, members: members.takeMoved() }
    },
  }
}

interface GroupIndexes {
  readonly claims: IndexSets
  readonly slices: IndexSets
  readonly uses: IndexSets
}

function groupCompiler(
  facts: FactStore,
  problems: ProblemLog,
  around: Omit<ServiceSurroundings, 'mesh'>,
  { claims, slices, uses }: GroupIndexes,
) {
  const owner = (claim: string) => oldestOf(facts.pick('Service', claims.get(claim)))
  return (group: string, mesh: MeshSettings): CompiledGroup | undefined => {
    const service = facts.get('Service', group)
    const own = facts.pick('EndpointSlice', slices.get(group))
    uses.set(group, own.flatMap(usesOf))
    return problems.during(`group ${group}`, (report) => {
      const admitted = service === undefined ? undefined : withoutTaken(service, owner, report)
      return compileGroup(admitted, own, { ...around, mesh }, report)
    })
  }
}

function surroundings(
  facts: FactStore,
  pods: IncrementalPods,
  clusterDomain: string,
): Omit<ServiceSurroundings, 'mesh'> {
  return {
    clusterDomain,
    nodes: { get: (name: string) => facts.get('Node', `/${name}`) },
    workloads: { get: (key: string) => pods.workload(key) },
    workloadsByIp: { get: (ip: string) => pods.workloadAt(ip) },
  }
}

/** Which services a workload is an endpoint of. */
function createMembers() {
  const sets = createIndexSets()
  let moved = new Set<string>()
  return {
    get: (uid: string) => sets.get(uid),
    set(service: string, now: ReadonlySet<string>): void {
      const before = sets.keysOf(service)
      for (const uid of before) if (!now.has(uid)) moved.add(uid)
      for (const uid of now) if (!before.has(uid)) moved.add(uid)
      sets.set(service, now)
    },
    takeMoved(): ReadonlySet<string> {
      const taken = moved
      moved = new Set()
      return taken
    },
  }
}

const none: ReadonlySet<string> = new Set()

/** A pod whose addresses stay is the same to its services, whatever else of it changes. */
function usesChanged({ workloads, ips }: PodChanges): readonly string[] {
  const moved = [...workloads].filter(
    ([, { before, now }]) =>
      !sameData(before?.addresses, now?.addresses) || before?.uid !== now?.uid,
  )
  return [
    ...[...ips].map((ip) => `ip ${ip}`),
    ...moved.flatMap(([key, { before, now }]) => [
      `pod ${key}`,
      ...[...(before?.addresses ?? []), ...(now?.addresses ?? [])].map(({ ip }) => `ip ${ip}`),
    ]),
  ]
}

function usesOf({ endpoints }: SliceFacts): readonly string[] {
  return endpoints.flatMap(({ ip, node, pod }) => [
    `ip ${ip}`,
    `node ${node}`,
    ...(pod === undefined ? [] : [`pod ${pod.namespace}/${pod.name}`]),
  ])
}
