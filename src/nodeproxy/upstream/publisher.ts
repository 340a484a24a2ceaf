import { hasExternal } from '../../model/destination.ts'
import { servicesOfRoutes } from '../../model/http-routes.ts'
import type { Resource } from '../../model/resources.ts'
import type { ConfigStore, Resolution, StoreChange } from '../config/interfaces.ts'
import type { AddressAnswer } from '../l4/tables.ts'
import type { ToWorker } from '../lifecycle/worker-messages.ts'
import { type ClientPlace, serviceName, serviceView } from './service-view.ts'

/** Sends to one worker, in order. */
export type Send = (message: ToWorker) => void

export interface PublisherOptions {
  readonly store: ConfigStore
  readonly workers: readonly Send[]
  readonly node: string
  /** Zone of this node's pods, as far as it is known. */
  readonly zone: () => string
}

/**
 * Gives each worker what it has asked for and keeps that current: what an address refers to is sent
 * before the address. One message carries one service, workload or address.
 */
export interface Publisher {
  /** A worker's connections wait to know who has this address. */
  ask(worker: number, ip: string, requester: string): void
  /**
   * Gives all workers what the store knows from disk, so that connections that waited for this
   * process find it there.
   */
  preload(): void
  /** A pod that is served here: its workload and that one's services are named in telemetry. */
  pin(workload: string): void
  unpin(workload: string): void
  /** Takes back what no address or pod refers to any more. */
  sweep(): void
  readonly size: number
  close(): void
}

interface State extends PublisherOptions {
  /** address -> what was said of it, and to which workers. */
  readonly addresses: Map<string, Published>
  readonly pinned: Map<string, number>
  /** Names of services and workloads that workers hold. */
  readonly held: Map<string, Set<number>>
}

interface Published {
  readonly answer: AddressAnswer
  readonly workers: Set<number>
}

export function createPublisher(options: PublisherOptions): Publisher {
  const state: State = {
    ...options,
    addresses: new Map(),
    pinned: new Map(),
    held: new Map(),
  }
  const stop = options.store.onChange((change) => applyChange(state, change))
  return {
    ask: (worker, ip, requester) => ask(state, worker, ip, requester),
    preload: () => preload(state),
    pin(workload) {
      state.pinned.set(workload, (state.pinned.get(workload) ?? 0) + 1)
      for (const worker of state.workers.keys()) sendWorkload(state, worker, workload)
    },
    unpin(workload) {
      const left = (state.pinned.get(workload) ?? 1) - 1
      if (left > 0) state.pinned.set(workload, left)
      else state.pinned.delete(workload)
    },
    sweep: () => sweep(state),
    get size() {
      return state.held.size
    },
    close: stop,
  }
}

function ask(state: State, worker: number, ip: string, requester: string): void {
  const resolution = state.store.resolve(ip, requester)
  if (resolution instanceof Promise) {
    void resolution.then((settled) => answer(state, worker, ip, settled))
  } else answer(state, worker, ip, resolution)
}

/** The rest is asked for when it is used: a start does not take longer the more there is. */
const mostPreloaded = 4_096

function preload(state: State): void {
  const { store } = state
  const ips = new Set<string>()
  for (const resource of store.tables.resources.values()) {
    if (ips.size >= mostPreloaded) break
    for (const ip of addressesOf(resource)) ips.add(ip)
  }
  for (const ip of ips) {
    if (store.tables.at({ network: store.network, ip }) === undefined) continue
    for (const worker of state.workers.keys()) ask(state, worker, ip, '')
  }
}

function answer(state: State, worker: number, ip: string, resolution: Resolution): void {
  if (resolution.state === 'unanswered') {
    state.workers[worker]?.({ kind: 'unanswered', ip })
    return
  }
  const found = answerOf(state, ip)
  for (const { key } of found.services) {
    if (!holds(state, `service/${key}`, worker)) sendService(state, [worker], key)
    sendRoutes(state, worker, key)
  }
  if (found.workload !== '') sendWorkload(state, worker, found.workload)
  const workers = state.addresses.get(ip)?.workers ?? new Set()
  workers.add(worker)
  state.addresses.set(ip, { answer: found, workers })
  state.workers[worker]?.({ kind: 'address', ip, answer: found })
}

function answerOf({ store }: State, ip: string): AddressAnswer {
  const address = { network: store.network, ip }
  const entry = store.tables.at(address)
  if (entry === undefined) return { services: [], workload: '' }
  const services = entry.services.map((service) => ({
    key: service.key,
    external: hasExternal(service, address),
  }))
  return { services, workload: entry.workload?.uid ?? '' }
}

function placeOf(state: State): ClientPlace {
  return { node: state.node, zone: state.zone() }
}

/** With all that is known of the workloads behind it; workers share its table. */
function sendService(state: State, workers: Iterable<number>, key: string): void {
  const table = state.store.tables.serviceTable(key)
  if (table === undefined) return
  const view = serviceView(table, placeOf(state))
  for (const worker of workers) {
    hold(state, `service/${key}`, worker)
    state.workers[worker]?.({ kind: 'service', key, view })
  }
}

/** With the services first that they lead to. */
function sendRoutes(state: State, worker: number, service: string): void {
  const routes = state.store.tables.routes(service)
  if (routes === undefined) return
  for (const backend of servicesOfRoutes(routes)) {
    if (!holds(state, `service/${backend}`, worker)) sendService(state, [worker], backend)
  }
  hold(state, `routes/${service}`, worker)
  state.workers[worker]?.({ kind: 'routes', service, routes })
}

function sendWorkload(state: State, worker: number, uid: string): void {
  const workload = state.store.tables.workload(uid)
  if (workload === undefined || holds(state, `workload/${uid}`, worker)) return
  for (const key of workload.services ?? []) sendServiceName(state, worker, key)
  hold(state, `workload/${uid}`, worker)
  const { addresses: _, locality: __, node: ___, ready: ____, ...facts } = workload
  state.workers[worker]?.({ kind: 'workload', uid, workload: facts })
}

function sendServiceName(state: State, worker: number, key: string): void {
  const service = state.store.tables.serviceHead(key)
  if (service === undefined || holds(state, `name/${key}`, worker)) return
  hold(state, `name/${key}`, worker)
  state.workers[worker]?.({ kind: 'serviceName', key, name: serviceName(service) })
}

function hold(state: State, name: string, worker: number): void {
  const workers = state.held.get(name) ?? new Set()
  workers.add(worker)
  state.held.set(name, workers)
}

function holds(state: State, name: string, worker: number): boolean {
  return state.held.get(name)?.has(worker) === true
}

function applyChange(state: State, change: StoreChange): void {
  for (const resource of change.upserts) renew(state, resource)
  const omitted = change.services.filter((key) => isOmitted(state, key))
  for (const key of change.services) {
    if (!omitted.includes(key))
      sendService(state, [...(state.held.get(`service/${key}`) ?? [])], key)
  }
  for (const resource of change.upserts) renewRoutes(state, resource)
  const doubtful = new Set(change.resolved)
  for (const resource of change.upserts) {
    for (const ip of addressesOf(resource)) doubtful.add(ip)
  }
  // After the routes that have led there.
  const gone = new Set([...change.removals, ...omitted.map((key) => `service/${key}`)])
  for (const [ip, { answer: said }] of state.addresses) {
    const refersToGone =
      said.services.some(({ key }) => gone.has(`service/${key}`)) ||
      gone.has(`workload/${said.workload}`)
    if (refersToGone || doubtful.has(ip)) reconsider(state, ip)
  }
  for (const name of gone) takeBack(state, name)
  for (const uid of state.pinned.keys()) {
    for (const worker of state.workers.keys()) sendWorkload(state, worker, uid)
  }
}

/** Only its name is known from here on, for telemetry: nothing leads to it any more. */
function isOmitted({ store }: State, key: string): boolean {
  return store.tables.serviceHead(key)?.endpointsOmitted === true
}

/** Sends the new state of a workload to those that hold it. */
function renew(state: State, resource: Resource): void {
  if (resource.type !== 'workload') return
  const name = `workload/${resource.uid}`
  const workers = state.held.get(name)
  if (workers === undefined) return
  state.held.delete(name)
  for (const worker of workers) sendWorkload(state, worker, resource.uid)
}

/** Sends routes to those that hold their service, which may have had none until now. */
function renewRoutes(state: State, resource: Resource): void {
  if (resource.type !== 'routes') return
  for (const worker of state.held.get(`service/${resource.service}`) ?? []) {
    sendRoutes(state, worker, resource.service)
  }
}

/** What was said of this address may be wrong now: workers ask again when they need it. */
function reconsider(state: State, ip: string): void {
  const published = state.addresses.get(ip)
  if (published === undefined) return
  const now = answerOf(state, ip)
  if (JSON.stringify(now) === JSON.stringify(published.answer)) {
    const known = now.services.length > 0 || now.workload !== ''
    if (known) return
  }
  state.addresses.delete(ip)
  for (const worker of published.workers) {
    state.workers[worker]?.({ kind: 'address', ip, answer: undefined })
  }
}

function takeBack(state: State, name: string): void {
  const workers = state.held.get(name)
  if (workers === undefined) return
  state.held.delete(name)
  const [kind = ''] = name.split('/', 1)
  const key = name.slice(kind.length + 1)
  for (const worker of workers) {
    const send = state.workers[worker]
    if (kind === 'service') send?.({ kind: 'service', key, view: undefined })
    else if (kind === 'routes') send?.({ kind: 'routes', service: key, routes: undefined })
    else if (kind === 'workload') send?.({ kind: 'workload', uid: key, workload: undefined })
    else send?.({ kind: 'serviceName', key, name: undefined })
  }
}

function sweep(state: State): void {
  const used = new Set<string>()
  const useWorkload = (uid: string): void => {
    if (used.has(`workload/${uid}`)) return
    used.add(`workload/${uid}`)
    for (const key of state.store.tables.workload(uid)?.services ?? []) used.add(`name/${key}`)
  }
  for (const { answer: said } of state.addresses.values()) {
    useWorkload(said.workload)
    for (const { key } of said.services) {
      used.add(`service/${key}`).add(`routes/${key}`)
      const routes = state.store.tables.routes(key)
      for (const backend of routes === undefined ? [] : servicesOfRoutes(routes)) {
        used.add(`service/${backend}`)
      }
    }
  }
  for (const uid of state.pinned.keys()) useWorkload(uid)
  for (const name of state.held.keys()) if (!used.has(name)) takeBack(state, name)
}

function addressesOf(resource: Resource): readonly string[] {
  if (resource.type !== 'service' && resource.type !== 'workload') return []
  return resource.addresses.map(({ ip }) => ip)
}
