import { type Balancer, type BalanceState, createBalancer } from '../balance/balancer.ts'
import { targetKey } from '../balance/target.ts'
import type { WorkloadFacts } from '../flat/profile.ts'
import { headOf, openServiceTable } from '../flat/service-table.ts'
import type { RouteTables } from '../route/route-tables.ts'
import type { RouteTable } from '../route/table.ts'
import { nearTargets } from './near-targets.ts'
import type { PortView, ServiceName, ServiceView } from './service-view.ts'
import { createSharedTexts } from './shared-texts.ts'
import { targetListOf } from './target-list.ts'

/** A service that has an address, and whether it is one of its external ones. */
export interface ServiceRef {
  readonly key: string
  /** Belongs to the service on its own ports alone; a cluster IP does altogether. */
  readonly external: boolean
}

/** What is at an address. All empty: asked for, and nobody in the mesh has it. */
export interface AddressAnswer {
  readonly services: readonly ServiceRef[]
  /** uid; empty: none. */
  readonly workload: string
}

/** Reading side of a worker's tables. */
export interface Tables {
  /** Undefined: not known here; ask. */
  address(ip: string): AddressAnswer | undefined
  service(key: string): ServiceEntry | undefined
  /** Undefined: none for that port of the service and the clients of that namespace. */
  routes(service: string, port: number, namespace: string): RouteTable | undefined
  workload(uid: string): WorkloadFacts | undefined
  /** The workload with this address, when that is known already. */
  workloadAt(ip: string): WorkloadFacts | undefined
  /**
   * A service known here with this address and port as an endpoint: whom telemetry names for it.
   */
  serviceBehind(
    ip: string,
    port: number,
    workload: WorkloadFacts | undefined,
  ): ServiceName | undefined
}

export interface ServiceEntry {
  readonly name: ServiceName
  /** Undefined: the service has no such port. */
  port(port: number, family: 4 | 6, external: boolean): PortEntry | undefined
}

export interface PortEntry {
  readonly view: PortView
  readonly balancer: Balancer
}

export interface MutableTables extends Tables {
  setAddress(ip: string, answer: AddressAnswer | undefined): void
  setService(key: string, view: ServiceView | undefined): void
  /** A service of which only the name is known, for telemetry. */
  setServiceName(key: string, name: ServiceName | undefined): void
  setWorkload(uid: string, workload: WorkloadFacts | undefined): void
  /** What was made to serve connections, and was not used since this was called last. */
  rest(): void
  counts(): TableCounts
}

export interface TableCounts {
  readonly addresses: number
  readonly services: number
  /** Of these services. */
  readonly endpoints: number
  /** Of their tables, which all threads share. */
  readonly sharedBytes: number
  readonly workloads: number
}

/** A service as it was sent, and while it is in use what is made of that. */
interface Held {
  readonly view: ServiceView
  readonly endpoints: number
  /** Keys of its targets that may be pods of this node. */
  readonly near: readonly string[]
  entry: ServiceEntry | undefined
  used: boolean
}

/**
 * A worker's tables. An entry is immutable and swapped whole; connections keep what they started
 * with.
 * @param node that it is on
 */
export function createTables(
  state: BalanceState,
  node: string,
  routes: Pick<RouteTables, 'find'> = { find: () => undefined },
): MutableTables {
  const addresses = new Map<string, AddressAnswer>()
  const services = new Map<string, Held>()
  const workloads = new Map<string, WorkloadFacts>()
  const texts = createSharedTexts()
  const behind = new Map<string, string>()
  const names = new Map<string, ServiceName>()
  const sum = { endpoints: 0, sharedBytes: 0 }

  function removeService(key: string): void {
    const before = services.get(key)
    if (before === undefined) return
    services.delete(key)
    sum.endpoints -= before.endpoints
    sum.sharedBytes -= before.view.table.byteLength
    for (const target of before.near) if (behind.get(target) === key) behind.delete(target)
  }

  function service(key: string): ServiceEntry | undefined {
    const held = services.get(key)
    if (held === undefined) return undefined
    held.used = true
    held.entry ??= createServiceEntry(held.view, state)
    return held.entry
  }

  return {
    address: (ip) => addresses.get(ip),
    service,
    routes: routes.find,
    workload: (uid) => workloads.get(uid),
    workloadAt: (ip) => workloads.get(addresses.get(ip)?.workload ?? ''),
    serviceBehind(ip, port, workload) {
      const known = service(behind.get(targetKey(ip, port)) ?? '')
      return known?.name ?? names.get(workload?.services?.[0] ?? '')
    },
    setAddress(ip, answer) {
      if (answer === undefined) addresses.delete(ip)
      else addresses.set(ip, answer)
    },
    setService(key, view) {
      removeService(key)
      if (view === undefined) return
      const held = holdService(view, node)
      services.set(key, held)
      sum.endpoints += held.endpoints
      sum.sharedBytes += view.table.byteLength
      for (const target of held.near) if (!behind.has(target)) behind.set(target, key)
    },
    setServiceName(key, name) {
      if (name === undefined) names.delete(key)
      else names.set(key, name)
    },
    setWorkload(uid, workload) {
      if (workload === undefined) workloads.delete(uid)
      else workloads.set(uid, texts.of(workload))
    },
    rest: () => rest(services.values()),
    counts: () => ({
      addresses: addresses.size,
      services: services.size,
      ...sum,
      workloads: workloads.size,
    }),
  }
}

function holdService(view: ServiceView, node: string): Held {
  const table = openServiceTable(view.table)
  const near = nearTargets(table, view.ports, node)
  return { view, endpoints: table.count, near, entry: undefined, used: false }
}

function rest(services: Iterable<Held>): void {
  for (const held of services) {
    if (!held.used) held.entry = undefined
    held.used = false
  }
}

function createServiceEntry(view: ServiceView, state: BalanceState): ServiceEntry {
  const table = openServiceTable(view.table)
  const { key, namespace, name, hostname, clientIpAffinitySeconds } = headOf(table)
  const ports = new Map<PortView, PortEntry>()

  function entryOf(found: PortView): PortEntry {
    const known = ports.get(found)
    if (known !== undefined) return known
    const options = {
      name: `${key} ${portKey(found)}`,
      targets: targetListOf(table, found.port, found.endpoints),
      clientAffinitySeconds: clientIpAffinitySeconds,
    }
    const entry = { view: found, balancer: createBalancer(options, state) }
    ports.set(found, entry)
    return entry
  }

  return {
    name: { key, namespace, name, hostname },
    port(port, family, external) {
      const ofPort = view.ports.filter((one) => one.port === port && one.family === family)
      const found =
        (external ? ofPort.find((one) => one.external) : undefined) ??
        ofPort.find((one) => !one.external)
      return found === undefined ? undefined : entryOf(found)
    },
  }
}

function portKey({ port, family, external }: PortView): string {
  return `${port}/${family}${external ? '/external' : ''}`
}
