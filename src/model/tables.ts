import type { ServiceRoutes } from './http-routes.ts'
import { addressKey } from './names.ts'
import {
  type MeshSettings,
  type NetworkAddress,
  type PodEnrolment,
  type Resource,
  resourceName,
  type Service,
  type Workload,
} from './resources.ts'
import { emptyTable, type Table } from './table.ts'

/** Which resources have an address. Keys, so that a change of endpoints leaves the index alone. */
interface AddressHolders {
  readonly services: readonly string[]
  readonly workloads: readonly string[]
}

/** What is at one address. */
export interface AddressEntry {
  /** With their endpoints; several only where services share an external address. Sorted by key. */
  readonly services: readonly Service[]
  readonly workload: Workload | undefined
}

export interface TableChange {
  readonly upserts: readonly Resource[]
  readonly removals: readonly string[]
}

/**
 * All that is known at one moment, immutable: a change makes new tables, and one assignment swaps
 * them.
 */
export interface MeshTables {
  readonly settings: MeshSettings | undefined
  readonly resources: Table<Resource>
  service(key: string): Service | undefined
  workload(uid: string): Workload | undefined
  /** Undefined where none is attached to the service. */
  routes(service: string): ServiceRoutes | undefined
  enrolment(uid: string): PodEnrolment | undefined
  /** Undefined when nothing here has the address. Addresses of the node itself are nobody's. */
  at(address: NetworkAddress): AddressEntry | undefined
  with(change: TableChange): MeshTables
}

export const emptyTables: MeshTables = tablesOf(emptyTable(), emptyTable())

function tablesOf(resources: Table<Resource>, holders: Table<AddressHolders>): MeshTables {
  function service(key: string): Service | undefined {
    const found = resources.get(`service/${key}`)
    return found?.type === 'service' ? found : undefined
  }
  function workload(uid: string): Workload | undefined {
    const found = resources.get(`workload/${uid}`)
    return found?.type === 'workload' ? found : undefined
  }
  const settings = resources.get('settings')
  return {
    settings: settings?.type === 'settings' ? settings : undefined,
    resources,
    service,
    workload,
    routes(key) {
      const found = resources.get(`routes/${key}`)
      return found?.type === 'routes' ? found : undefined
    },
    enrolment(uid) {
      const found = resources.get(`enrolment/${uid}`)
      return found?.type === 'enrolment' ? found : undefined
    },
    at(address) {
      const found = holders.get(addressKey(address))
      if (found === undefined) return undefined
      return {
        services: found.services.flatMap((key) => service(key) ?? []),
        workload: workload(found.workloads[0] ?? ''),
      }
    },
    with: (change) => changedTables(resources, holders, change),
  }
}

function changedTables(
  resources: Table<Resource>,
  holders: Table<AddressHolders>,
  { upserts, removals }: TableChange,
): MeshTables {
  const changes = new Map<string, Resource | undefined>()
  for (const name of removals) changes.set(name, undefined)
  for (const resource of upserts) changes.set(resourceName(resource), resource)
  const index = editIndex(holders)
  for (const [name, resource] of changes) {
    const before = indexedAddresses(resources.get(name))
    const now = indexedAddresses(resource)
    for (const address of before) if (!now.includes(address)) index.remove(address, name)
    for (const address of now) if (!before.includes(address)) index.add(address, name)
  }
  return tablesOf(resources.with(changes), holders.with(index.changes))
}

/**
 * The keys of the addresses at which a resource is found. Pods of the host's network share the
 * node's address, which therefore is nobody's; a service without its endpoints could answer
 * nothing.
 */
export function indexedAddresses(resource: Resource | undefined): readonly string[] {
  if (resource?.type === 'workload') {
    return resource.hostNetwork ? [] : resource.addresses.map(addressKey)
  }
  if (resource?.type === 'service' && resource.endpointsOmitted !== true) {
    return resource.addresses.map(addressKey)
  }
  return []
}

function editIndex(holders: Table<AddressHolders>) {
  const changes = new Map<string, AddressHolders | undefined>()
  const none: AddressHolders = { services: [], workloads: [] }

  function edit(
    address: string,
    name: string,
    change: (keys: readonly string[]) => string[],
  ): void {
    const before = (changes.has(address) ? changes.get(address) : holders.get(address)) ?? none
    const after = name.startsWith('service/')
      ? { ...before, services: change(before.services).sort() }
      : { ...before, workloads: change(before.workloads).sort() }
    const gone = after.services.length === 0 && after.workloads.length === 0
    changes.set(address, gone ? undefined : after)
  }

  return {
    changes,
    add(address: string, name: string) {
      edit(address, name, (keys) => [...keys, keyOfName(name)])
    },
    remove(address: string, name: string) {
      edit(address, name, (keys) => keys.filter((key) => key !== keyOfName(name)))
    },
  }
}

function keyOfName(name: string): string {
  return name.slice(name.indexOf('/') + 1)
}
