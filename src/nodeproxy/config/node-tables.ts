import type { ServiceRoutes } from '../../model/http-routes.ts'
import { addressKey } from '../../model/names.ts'
import {
  type MeshSettings,
  type NetworkAddress,
  type PodEnrolment,
  type Resource,
  resourceName,
  type Service,
  type Workload,
} from '../../model/resources.ts'
import type { TableChange } from '../../model/tables.ts'
import { notedVersion, versionOf } from '../../model/wire/resource-message.ts'
import { headOf, openServiceTable, type ServiceHead, serviceOf } from '../flat/service-table.ts'
import { writeServiceTable } from '../flat/service-table-writer.ts'
import { createWorkloadRows } from '../flat/workload-rows.ts'

/** What is at one address. */
export interface HeldAt {
  /** Several only where services share an external address. Sorted by key. */
  readonly services: readonly ServiceHead[]
  readonly workload: Workload | undefined
}

/**
 * All that a node knows, in compact form: a resource is made again when it is asked for. It changes
 * in one turn of the event loop, by whole deltas; keep what you were given for one decision, not
 * longer.
 */
export interface NodeTables {
  readonly settings: MeshSettings | undefined
  service(key: string): Service | undefined
  /** For the workers; undefined also where it was sent without its endpoints. */
  serviceTable(key: string): SharedArrayBuffer | undefined
  serviceHead(key: string): ServiceHead | undefined
  workload(uid: string): Workload | undefined
  enrolment(uid: string): PodEnrolment | undefined
  enrolments(): Iterable<PodEnrolment>
  /** Undefined where none is attached to the service. */
  routes(service: string): ServiceRoutes | undefined
  /** Undefined when nothing here has the address. Addresses of the node itself are nobody's. */
  at(address: NetworkAddress): HeldAt | undefined
  readonly resources: HeldResources
  /** @returns keys of the services whose table is another one now */
  apply(change: TableChange): readonly string[]
}

export interface HeldResources {
  readonly size: number
  names(): Iterable<string>
  values(): Iterable<Resource>
  /** With the versions under which they were sent. */
  versions(): Iterable<readonly [name: string, version: string]>
}

interface HeldService {
  readonly buffer: SharedArrayBuffer
  /** Where it is found; none where its endpoints are not known. */
  readonly addresses: readonly string[]
  readonly version: string
}

interface State {
  settings: MeshSettings | undefined
  readonly workloads: ReturnType<typeof createWorkloadRows>
  readonly services: Map<string, HeldService>
  readonly enrolments: Map<string, PodEnrolment>
  /** By service. */
  readonly routes: Map<string, ServiceRoutes>
  /** address -> key of its service, or sorted keys. */
  readonly holders: Map<string, string | readonly string[]>
}

export function createNodeTables(): NodeTables {
  const state: State = {
    settings: undefined,
    workloads: createWorkloadRows(),
    services: new Map(),
    enrolments: new Map(),
    routes: new Map(),
    holders: new Map(),
  }
  const bufferOf = (key: string) => state.services.get(key)?.buffer
  const serviceHead = (key: string): ServiceHead | undefined => {
    const buffer = bufferOf(key)
    return buffer === undefined ? undefined : headOf(openServiceTable(buffer))
  }
  return {
    get settings() {
      return state.settings
    },
    service(key) {
      const buffer = bufferOf(key)
      return buffer === undefined ? undefined : serviceOf(openServiceTable(buffer))
    },
    serviceTable: bufferOf,
    serviceHead,
    workload: (uid) => state.workloads.get(uid),
    enrolment: (uid) => state.enrolments.get(uid),
    enrolments: () => state.enrolments.values(),
    routes: (key) => state.routes.get(key),
    at(address) {
      const services = keysAt(state, addressKey(address)).flatMap((key) => serviceHead(key) ?? [])
      const workload = state.workloads.at(address)
      if (services.length === 0 && workload === undefined) return undefined
      return { services, workload }
    },
    resources: heldResources(state),
    apply: (change) => apply(state, change),
  }
}

function keysAt({ holders }: State, address: string): readonly string[] {
  const keys = holders.get(address) ?? []
  return typeof keys === 'string' ? [keys] : keys
}

function heldResources(state: State): HeldResources {
  const { workloads, services, enrolments, routes } = state
  function* values(): Generator<Resource> {
    if (state.settings !== undefined) yield state.settings
    yield* enrolments.values()
    yield* routes.values()
    yield* workloads.values()
    for (const { buffer } of services.values()) yield serviceOf(openServiceTable(buffer))
  }
  const notedOf = (resource: Resource): string => {
    if (resource.type === 'workload') return workloads.version(resource.uid)
    return resource.type === 'service' ? (services.get(resource.key)?.version ?? '') : ''
  }
  return {
    get size() {
      const settings = state.settings === undefined ? 0 : 1
      return settings + enrolments.size + routes.size + workloads.size + services.size
    },
    *names() {
      if (state.settings !== undefined) yield resourceName(state.settings)
      for (const uid of enrolments.keys()) yield `enrolment/${uid}`
      for (const service of routes.keys()) yield `routes/${service}`
      for (const uid of workloads.uids()) yield `workload/${uid}`
      for (const key of services.keys()) yield `service/${key}`
    },
    values,
    *versions() {
      for (const resource of values()) {
        yield [resourceName(resource), notedOf(resource) || versionOf(resource)]
      }
    },
  }
}

function apply(state: State, { upserts, removals }: TableChange): readonly string[] {
  const stale = new Set<string>()
  for (const name of removals) remove(state, name, stale)
  const services = new Map<string, Service>()
  for (const resource of upserts) {
    if (resource.type === 'settings') state.settings = resource
    else if (resource.type === 'enrolment') state.enrolments.set(resource.uid, resource)
    else if (resource.type === 'service') services.set(resource.key, resource)
    else if (resource.type === 'routes') state.routes.set(resource.service, resource)
    else putWorkload(state, resource, stale)
  }
  for (const service of services.values()) {
    put(state, service, notedVersion(service) ?? '')
    stale.delete(service.key)
  }
  const again = [...stale].filter((key) => state.services.has(key))
  for (const key of again) {
    const held = state.services.get(key)
    if (held !== undefined) put(state, serviceOf(openServiceTable(held.buffer)), held.version)
  }
  return [...services.keys(), ...again]
}

/** @param stale gets the services whose tables name it */
function putWorkload({ workloads }: State, workload: Workload, stale: Set<string>): void {
  const before = workloads.put(workload, notedVersion(workload) ?? '')
  if (before === undefined) return
  for (const key of [...before, ...(workload.services ?? [])]) stale.add(key)
}

function put(state: State, service: Service, version: string): void {
  const { key } = service
  const find = (uid: string) => (uid === '' ? undefined : state.workloads.part(uid))
  const buffer = writeServiceTable(service, find)
  // One without its endpoints could answer nothing.
  const addresses = service.endpointsOmitted === true ? [] : service.addresses.map(addressKey)
  unindex(state, key)
  state.services.set(key, { buffer, addresses, version })
  for (const address of addresses) {
    const keys = [...keysAt(state, address).filter((other) => other !== key), key].sort()
    state.holders.set(address, keys.length === 1 ? key : keys)
  }
}

function unindex(state: State, key: string): void {
  for (const address of state.services.get(key)?.addresses ?? []) {
    const keys = keysAt(state, address).filter((other) => other !== key)
    if (keys.length === 0) state.holders.delete(address)
    else state.holders.set(address, keys.length === 1 ? (keys[0] ?? '') : keys)
  }
}

function remove(state: State, name: string, stale: Set<string>): void {
  const [kind = ''] = name.split('/', 1)
  const key = name.slice(kind.length + 1)
  if (kind === 'settings') state.settings = undefined
  else if (kind === 'enrolment') state.enrolments.delete(key)
  else if (kind === 'routes') state.routes.delete(key)
  else if (kind === 'workload') {
    for (const service of state.workloads.delete(key)?.services ?? []) stale.add(service)
  } else if (kind === 'service') {
    unindex(state, key)
    state.services.delete(key)
  }
}
