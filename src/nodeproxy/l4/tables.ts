import type { Workload } from '../../model/resources.ts'
import { type Balancer, type BalanceState, createBalancer } from '../balance/balancer.ts'
import { targetKey } from '../balance/target.ts'
import type { PortView, ServiceName, ServiceView } from './service-view.ts'
import { createSharedTexts } from './shared-texts.ts'

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
  workload(uid: string): Workload | undefined
  /** The workload with this address, when that is known already. */
  workloadAt(ip: string): Workload | undefined
  /**
   * A service known here with this address and port as an endpoint: whom telemetry names for it.
   */
  serviceBehind(ip: string, port: number, workload: Workload | undefined): ServiceName | undefined
}

export interface ServiceEntry {
  readonly view: ServiceView
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
  setWorkload(uid: string, workload: Workload | undefined): void
  counts(): { addresses: number; services: number; workloads: number }
}

/**
 * A worker's tables. An entry is immutable and swapped whole; connections keep what they started
 * with.
 */
export function createTables(state: BalanceState): MutableTables {
  const addresses = new Map<string, AddressAnswer>()
  const services = new Map<string, ServiceEntry>()
  const workloads = new Map<string, Workload>()
  const texts = createSharedTexts()
  const behind = new Map<string, ServiceView>()
  const names = new Map<string, ServiceName>()

  function removeService(key: string): void {
    const before = services.get(key)
    if (before === undefined) return
    services.delete(key)
    for (const name of targetKeys(before.view)) {
      if (behind.get(name)?.key === key) behind.delete(name)
    }
  }

  return {
    address: (ip) => addresses.get(ip),
    service: (key) => services.get(key),
    workload: (uid) => workloads.get(uid),
    workloadAt(ip) {
      return workloads.get(addresses.get(ip)?.workload ?? '')
    },
    serviceBehind: (ip, port, workload) =>
      behind.get(targetKey(ip, port)) ?? names.get(workload?.services?.[0] ?? ''),
    setAddress(ip, answer) {
      if (answer === undefined) addresses.delete(ip)
      else addresses.set(ip, answer)
    },
    setService(key, view) {
      removeService(key)
      if (view === undefined) return
      services.set(key, createServiceEntry(view, state))
      for (const name of targetKeys(view)) if (!behind.has(name)) behind.set(name, view)
    },
    setServiceName(key, name) {
      if (name === undefined) names.delete(key)
      else names.set(key, name)
    },
    setWorkload(uid, workload) {
      if (workload === undefined) workloads.delete(uid)
      else workloads.set(uid, texts.of(workload))
    },
    counts: () => ({
      addresses: addresses.size,
      services: services.size,
      workloads: workloads.size,
    }),
  }
}

function createServiceEntry(view: ServiceView, state: BalanceState): ServiceEntry {
  const clientAffinitySeconds = view.clientAffinitySeconds
  const entries = new Map<string, PortEntry>(
    view.ports.map((port) => {
      const name = portKey(port.port, port.family, port.external)
      const options = { name: `${view.key} ${name}`, targets: port.targets, clientAffinitySeconds }
      return [name, { view: port, balancer: createBalancer(options, state) }]
    }),
  )
  return {
    view,
    port: (port, family, external) =>
      (external ? entries.get(portKey(port, family, true)) : undefined) ??
      entries.get(portKey(port, family, false)),
  }
}

function portKey(port: number, family: 4 | 6, external: boolean): string {
  return `${port}/${family}${external ? '/external' : ''}`
}

function* targetKeys(view: ServiceView): Generator<string> {
  for (const { targets } of view.ports) for (const { key } of targets) yield key
}
