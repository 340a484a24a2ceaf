import type { Workload } from '../../model/resources.ts'
import { type Balancer, type BalanceState, createBalancer } from '../balance/balancer.ts'
import { targetKey } from '../balance/target.ts'
import type { PortView, ServiceView } from './service-view.ts'

/** Who has an address. */
export type AddressAnswer =
  | { readonly kind: 'service'; readonly key: string }
  | { readonly kind: 'workload'; readonly uid: string }
  /** Asked for, and nobody in the mesh has it. */
  | { readonly kind: 'absent' }

/** Reading side of a worker's tables. */
export interface Tables {
  /** Undefined: not known here; ask. */
  address(ip: string): AddressAnswer | undefined
  service(key: string): ServiceEntry | undefined
  workload(uid: string): Workload | undefined
  /** The workload with this address, when that is known already. */
  workloadAt(ip: string): Workload | undefined
  /** A service known here that has this address and port as an endpoint. */
  serviceBehind(ip: string, port: number): ServiceView | undefined
}

export interface ServiceEntry {
  readonly view: ServiceView
  /** Undefined: the service has no such port. */
  balancer(port: number, family: 4 | 6): Balancer | undefined
}

export interface MutableTables extends Tables {
  setAddress(ip: string, answer: AddressAnswer | undefined): void
  setService(key: string, view: ServiceView | undefined): void
  setWorkload(uid: string, workload: Workload | undefined): void
  counts(): { addresses: number; services: number; workloads: number }
}

/** A worker's tables. An entry is immutable and swapped whole; connections keep what they started with. */
export function createTables(state: BalanceState): MutableTables {
  const addresses = new Map<string, AddressAnswer>()
  const services = new Map<string, ServiceEntry>()
  const workloads = new Map<string, Workload>()
  const behind = new Map<string, ServiceView>()

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
      const answer = addresses.get(ip)
      return answer?.kind === 'workload' ? workloads.get(answer.uid) : undefined
    },
    serviceBehind: (ip, port) => behind.get(targetKey(ip, port)),
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
    setWorkload(uid, workload) {
      if (workload === undefined) workloads.delete(uid)
      else workloads.set(uid, workload)
    },
    counts: () => ({
      addresses: addresses.size,
      services: services.size,
      workloads: workloads.size,
    }),
  }
}

function createServiceEntry(view: ServiceView, state: BalanceState): ServiceEntry {
  const ports = new Map(view.ports.map((port) => [port.port, port]))
  const balancers = new Map<string, Balancer>()
  const make = (name: string, port: PortView, family: 4 | 6): Balancer =>
    createBalancer(
      {
        name,
        targets: family === 4 ? port.ipv4 : port.ipv6,
        clientAffinitySeconds: view.clientAffinitySeconds,
      },
      state,
    )
  return {
    view,
    balancer(port, family) {
      const portView = ports.get(port)
      if (portView === undefined) return undefined
      const name = `${view.key} ${port}/${family}`
      const balancer = balancers.get(name) ?? make(name, portView, family)
      balancers.set(name, balancer)
      return balancer
    },
  }
}

function* targetKeys(view: ServiceView): Generator<string> {
  for (const { ipv4, ipv6 } of view.ports) {
    for (const { key } of ipv4) yield key
    for (const { key } of ipv6) yield key
  }
}
