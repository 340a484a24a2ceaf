import { compareNames } from '../../model/diff.ts'
import { sameData } from '../../model/equal.ts'
import { type MeshSettings, type Resource, resourceName } from '../../model/resources.ts'
import type { TableChange } from '../../model/tables.ts'
import { chooseMesh } from '../compile/choose-mesh.ts'
import { type CompileOptions, defaultMesh, sameSettings, withServices } from '../compile/compile.ts'
import type { Kind } from '../compile/facts.ts'
import { isHttpRoute } from '../compile/http/compile-http-routes.ts'
import type { RouteStatus } from '../compile/http/compile-routes.ts'
import type { Problem } from '../compile/problem.ts'
import { createFactStore, factKey, type FactChange, type FactStore } from './fact-store.ts'
import { createIncrementalPods, type IncrementalPods } from './pods.ts'
import { createProblemLog, type ProblemLog } from './problem-log.ts'
import { createIncrementalRoutes, type IncrementalRoutes } from './routes.ts'
import { createIncrementalServices, type IncrementalServices } from './services.ts'

/**
 * compile() for objects that change one by one: the same resources and problems, and the work is
 * that of what depends on the change. Objects are not kept, only what is read of them.
 */
export interface IncrementalCompiler {
  /** An object of one of the kinds that are read, with name and kind; bad ones are a problem. */
  put(object: unknown): void
  remove(kind: CompiledKind, namespace: string, name: string): void
  /** These are all there are of a kind. */
  replace(kind: CompiledKind, objects: readonly unknown[]): void
  /** What is different since the last time. */
  flush(): TableChange
  /** What is told on HTTPRoutes, by `namespace/name`, as of the last flush. */
  readonly routeStatuses: ReadonlyMap<string, RouteStatus>
  problems(): readonly Problem[]
  /** Of an object that was good once. */
  uidOf(kind: Kind, namespace: string, name: string): string | undefined
  /** Changes whenever the problems may be others. */
  readonly problemsVersion: number
  readonly settings: MeshSettings
}

/** Routes tell what is wrong with them in their status, and need no admission. */
export type CompiledKind = Kind | 'HTTPRoute'

export function createIncrementalCompiler(
  options: Pick<CompileOptions, 'mesh' | 'clusterDomain'> = {},
): IncrementalCompiler {
  const { mesh: preset = defaultMesh, clusterDomain = 'cluster.local' } = options
  const problems = createProblemLog()
  const facts = createFactStore(problems)
  const pods = createIncrementalPods(facts, problems)
  const services = createIncrementalServices(facts, pods, problems, clusterDomain)
  const routes = createIncrementalRoutes({ get: (key) => facts.get('Service', key) }, clusterDomain)
  const routeStatuses = new Map<string, RouteStatus>()
  const resources = new Map<string, Resource>()
  let settings = preset
  let settingsDirty = true

  function note(change: FactChange | undefined): void {
    const some = change?.now ?? change?.before
    if (change === undefined || some === undefined) return
    if (some.kind === 'MeshConfig') settingsDirty = true
    else tell(change, pods, services)
    if (some.kind === 'Service') routes.serviceChanged(factKey(some))
  }

  function put(object: unknown): void {
    if (isHttpRoute(object)) routes.put(object)
    else note(facts.put(object))
  }

  function remove(kind: CompiledKind, key: string): void {
    if (kind === 'HTTPRoute') routes.remove(key)
    else note(facts.remove(kind, key))
  }

  function renewSettings(): void {
    if (!settingsDirty) return
    settingsDirty = false
    const now = chosenMesh(facts, problems, preset)
    const before = resources.get('settings')
    settings = sameSettings(now, before === undefined ? [] : [before])
    if (settings === before) return
    pods.allChanged()
    services.allChanged()
  }

  return {
    put,
    remove: (kind, namespace, name) => remove(kind, factKey({ namespace, name })),
    replace(kind, objects) {
      const known = kind === 'HTTPRoute' ? routes.keys() : facts.keys(kind)
      for (const key of missingOf(known, objects)) remove(kind, key)
      for (const object of objects) put(object)
    },
    flush() {
      renewSettings()
      const output = createOutput(resources)
      flushInto(output, settings, pods, services)
      flushRoutes(output, routes, routeStatuses)
      return output.change()
    },
    routeStatuses,
    problems: () => problems.list(),
    uidOf: (kind, namespace, name) => facts.get(kind, factKey({ namespace, name }))?.uid,
    get problemsVersion() {
      return problems.version
    },
    get settings() {
      return settings
    },
  }
}

function missingOf(known: Iterable<string>, objects: readonly unknown[]): readonly string[] {
  const listed = new Set(
    objects.map((object) => {
      const { metadata } = object as { metadata: { namespace?: string; name: string } }
      return factKey({ namespace: metadata.namespace ?? '', name: metadata.name })
    }),
  )
  return [...known].filter((key) => !listed.has(key))
}

/** Pods before services, which are made of them; workloads last, which name their services. */
function flushInto(
  output: Output,
  settings: MeshSettings,
  pods: IncrementalPods,
  services: IncrementalServices,
): void {
  output.set('settings', settings)
  const podChanges = pods.flush(settings)
  services.podsChanged(podChanges)
  const serviceChanges = services.flush(settings)
  for (const [key, service] of serviceChanges.services) output.set(`service/${key}`, service)
  for (const uid of podChanges.enrolments) output.set(`enrolment/${uid}`, pods.enrolment(uid))
  const touched = new Set(serviceChanges.members)
  for (const { before, now } of podChanges.workloads.values()) {
    for (const uid of [before?.uid, now?.uid]) if (uid !== undefined) touched.add(uid)
  }
  for (const uid of touched) {
    // Uids end in namespace/name.
    const workload = pods.workload(uid.split('/').slice(-2).join('/'))
    const own = [...services.servicesOf(uid)].sort(compareNames)
    const now =
      workload?.uid === uid ? withServices(workload, own.length > 0 ? own : undefined) : undefined
    output.set(`workload/${uid}`, now)
  }
}

function flushRoutes(
  output: Output,
  incremental: IncrementalRoutes,
  told: Map<string, RouteStatus>,
): void {
  const { routes, statuses } = incremental.flush()
  for (const [service, now] of routes) output.set(`routes/${service}`, now)
  for (const [key, now] of statuses) {
    if (now === undefined) told.delete(key)
    else told.set(key, now)
  }
}

function chosenMesh(facts: FactStore, problems: ProblemLog, preset: MeshSettings): MeshSettings {
  const configs = facts.pick('MeshConfig', facts.keys('MeshConfig'))
  return problems.during('mesh', (report) => chooseMesh(configs, preset, report))
}

function tell(
  { before, now }: FactChange,
  pods: IncrementalPods,
  services: IncrementalServices,
): void {
  const some = now ?? before
  switch (some?.kind) {
    case 'Namespace':
      pods.namespaceChanged(some.name)
      break
    case 'Node':
      pods.nodeChanged(some.name)
      services.nodeChanged(some.name)
      break
    case 'RuntimeClass':
      pods.runtimeClassChanged(some.name)
      break
    case 'Pod':
      pods.changed(
        factKey(some),
        before?.kind === 'Pod' ? before : undefined,
        now?.kind === 'Pod' ? now : undefined,
      )
      break
    case 'Service':
      services.serviceChanged(now?.kind === 'Service' ? now : undefined, factKey(some))
      break
    case 'EndpointSlice':
      services.slicesChanged(
        before?.kind === 'EndpointSlice' ? before : undefined,
        now?.kind === 'EndpointSlice' ? now : undefined,
      )
      break
    default:
  }
}

interface Output {
  set(name: string, now: Resource | undefined): void
  change(): TableChange
}

/** Collects what is different; what is the same stays the same object. */
function createOutput(resources: Map<string, Resource>): Output {
  const upserts: Resource[] = []
  const removals: string[] = []
  return {
    set(name: string, now: Resource | undefined): void {
      const before = resources.get(name)
      if (now === undefined) {
        if (resources.delete(name)) removals.push(name)
      } else if (!sameData(before, now)) {
        resources.set(name, now)
        upserts.push(now)
      }
    },
    change(): TableChange {
      return {
        upserts: upserts.sort((a, b) => compareNames(resourceName(a), resourceName(b))),
        removals: removals.sort(compareNames),
      }
    },
  }
}
