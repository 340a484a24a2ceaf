import { compareNames } from '../../model/diff.ts'
import { sameData } from '../../model/equal.ts'
import {
  type MeshSettings,
  type Resource,
  resourceName,
  type Workload,
} from '../../model/resources.ts'
import { withoutAddressConflicts } from './address-conflicts.ts'
import { admit, type Admitted, factsId, type LastGood } from './admit.ts'
import { chooseMesh } from './choose-mesh.ts'
import { compilePods } from './compile-pods.ts'
import { compileServices } from './compile-services.ts'
import type { Facts, Kind } from './facts.ts'
import { compileHttpRoutes, isHttpRoute } from './http/compile-http-routes.ts'
import type { Problem } from './problem.ts'

export const defaultMesh: MeshSettings = {
  type: 'settings',
  cluster: 'Kubernetes',
  network: 'default',
  trustDomain: 'cluster.local',
  unclassified: 'count',
  outside: 'allow',
  acceleration: 'auto',
  failureMode: 'open',
  oldConnections: 'keep',
}

export interface CompileOptions {
  readonly mesh?: MeshSettings
  /** `cluster.local` unless told. */
  readonly clusterDomain?: string
  /**
   * The result of the compilation before: what it held for objects that are bad now stays in force.
   * Objects that are the same ones are not read again, so they must not be changed in place.
   */
  readonly previous?: CompileResult
  /** File and line of an object, for problems. */
  readonly placeOf?: (object: unknown) => string | undefined
}

export interface CompileResult {
  /**
   * Sorted by name. A resource that did not change is the same object as in the compilation before.
   */
  readonly resources: readonly Resource[]
  readonly problems: readonly Problem[]
  /** What the next compilation goes on from. */
  readonly inForce: LastGood
  readonly clean: Admitted['clean']
}

/**
 * Turns Kubernetes' objects (MeshConfig, Namespace, Node, Pod, Service, EndpointSlice, HTTPRoute)
 * into the mesh model. Pure: the same objects, in any order, give the same resources. Never throws:
 * what is wrong with an object is a problem, and the others go on.
 */
export function compile(objects: readonly unknown[], options: CompileOptions = {}): CompileResult {
  const { mesh: preset = defaultMesh, clusterDomain = 'cluster.local', previous, placeOf } = options
  const problems: Problem[] = []
  const admission = (problem: Problem) => void problems.push(problem)
  const others = objects.filter((object) => !isHttpRoute(object))
  const admitted = admit(others, previous, admission, placeOf ?? (() => undefined))
  const { inForce, places } = admitted
  const report = (problem: Problem) => {
    const place = places.get(factsId(problem))
    problems.push(place === undefined ? problem : { ...problem, place })
  }
  const mesh = sameSettings(
    chooseMesh(ofKind(inForce, 'MeshConfig'), preset, report),
    previous?.resources ?? [],
  )
  const nodes = new Map(ofKind(inForce, 'Node').map((node) => [node.name, node]))
  const namespaces = new Map(ofKind(inForce, 'Namespace').map((each) => [each.name, each]))
  const pods = ofKind(inForce, 'Pod')
  const runtimeClasses = new Map(ofKind(inForce, 'RuntimeClass').map((each) => [each.name, each]))
  const around = { mesh, namespaces, nodes, runtimeClasses }
  const { workloads, enrolments } = compilePods(pods, around, report)
  const serviceFacts = ofKind(inForce, 'Service')
  const { services, servicesOf } = compileServices(
    withoutAddressConflicts(serviceFacts, report),
    ofKind(inForce, 'EndpointSlice'),
    { mesh, clusterDomain, nodes, workloads, workloadsByIp: byIp(workloads) },
    report,
  )
  const finished = [...workloads.values()].map((workload) =>
    withServices(workload, servicesOf.get(workload.uid)),
  )
  const routes = compileHttpRoutes(objects.filter(isHttpRoute), serviceFacts, clusterDomain)
  const resources = unique([mesh, ...services, ...finished, ...enrolments, ...routes], report)
  return {
    resources: keepIdentity(resources, previous?.resources ?? []),
    problems: problems.sort(byObject),
    inForce,
    clean: admitted.clean,
  }
}

/** Settings that did not change are the same object: what is made with them need not be again. */
export function sameSettings(now: MeshSettings, before: Iterable<Resource>): MeshSettings {
  for (const each of before) if (each.type === 'settings' && sameData(each, now)) return each
  return now
}

function byIp(workloads: ReadonlyMap<string, Workload>): ReadonlyMap<string, Workload> {
  const own = [...workloads.values()].filter(({ hostNetwork }) => !hostNetwork)
  return new Map(own.flatMap((each) => each.addresses.map(({ ip }) => [ip, each] as const)))
}

const memos = new WeakMap<Workload, Workload>()

export function withServices(
  workload: Workload,
  services: readonly string[] | undefined,
): Workload {
  if (services === undefined) return workload
  const memo = memos.get(workload)
  if (memo !== undefined && sameData(memo.services, services)) return memo
  const result = { ...workload, services }
  memos.set(workload, result)
  return result
}

/** Sorted, so that the order of the input decides nothing. */
function ofKind<K extends Kind>(facts: LastGood, kind: K): Extract<Facts, { kind: K }>[] {
  return [...facts]
    .filter(([, each]) => each.kind === kind)
    .sort(([a], [b]) => compareNames(a, b))
    .map(([, each]) => each as Extract<Facts, { kind: K }>)
}

/** Two pods with one uid would be one enrolment. The first by name is kept. */
function unique(resources: readonly Resource[], report: (problem: Problem) => void): Resource[] {
  const named = new Map<string, Resource>()
  for (const resource of resources) {
    const name = resourceName(resource)
    const other = named.get(name)
    if (other === undefined) named.set(name, resource)
    else if (other.type === 'enrolment' && resource.type === 'enrolment') {
      report({
        severity: 'error',
        kind: 'Pod',
        namespace: resource.namespace,
        name: resource.name,
        field: 'metadata.uid',
        message: `is that of Pod ${other.namespace}/${other.name} too`,
        fix: 'give each pod a uid of its own',
        effect: 'it is not enrolled',
      })
    }
  }
  return [...named].sort(([a], [b]) => compareNames(a, b)).map(([, resource]) => resource)
}

function keepIdentity(
  resources: readonly Resource[],
  previous: readonly Resource[],
): readonly Resource[] {
  const before = new Map(previous.map((resource) => [resourceName(resource), resource]))
  return resources.map((resource) => {
    const old = before.get(resourceName(resource))
    return old !== undefined && sameData(old, resource) ? old : resource
  })
}

export function byObject(a: Problem, b: Problem): number {
  return (
    compareNames(a.kind, b.kind) ||
    compareNames(a.namespace, b.namespace) ||
    compareNames(a.name, b.name) ||
    compareNames(a.field, b.field) ||
    compareNames(a.message, b.message)
  )
}
