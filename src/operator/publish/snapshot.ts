import { sameData } from '../../model/equal.ts'
import {
  type PodEnrolment,
  type Resource,
  resourceName,
  type Service,
} from '../../model/resources.ts'
import {
  emptyTables,
  indexedAddresses,
  type MeshTables,
  type TableChange,
} from '../../model/tables.ts'

/** The compiled mesh, with what answers look up beside the tables. */
export interface Snapshot {
  readonly tables: MeshTables
  /** That have pods. */
  readonly nodes: () => Iterable<string>
  readonly enrolmentsOn: (node: string) => Iterable<PodEnrolment>
  /** The service without its endpoints: the same object as long as nothing else of it changes. */
  readonly summaryOf: (key: string) => Service | undefined
  /** The service without its addresses: the same object as long as the service is. */
  readonly backendOf: (key: string) => Service | undefined
}

export interface MutableSnapshot extends Snapshot {
  /**
   * Applies a change of resources.
   * @returns what answers may depend on and is different now: `settings`, `node/<node>`,
   * `workload/<uid>`, `service/<key>`, `summary/<key>`, `address/<network>/<ip>`
   */
  change(change: TableChange): ReadonlySet<string>
}

export function createSnapshot(): MutableSnapshot {
  let tables = emptyTables
  const nodes = createNodes()
  const summaries = new Map<string, Service>()
  const backends = new WeakMap<Service, Service>()

  /** @returns whether it is different now */
  function renewSummary(key: string, now: Service | undefined): boolean {
    const before = summaries.get(key)
    const summary = now === undefined ? undefined : summarise(now)
    if (sameData(before, summary)) return false
    if (summary === undefined) summaries.delete(key)
    else summaries.set(key, summary)
    return true
  }

  function note(
    before: Resource | undefined,
    now: Resource | undefined,
    changed: Set<string>,
  ): void {
    const some = now ?? before
    if (some === undefined) return
    if (some.type === 'enrolment') {
      const [old, fresh] = [asEnrolment(before), asEnrolment(now)]
      nodes.move(old, fresh)
      for (const enrolment of [old, fresh]) {
        if (enrolment !== undefined) changed.add(`node/${enrolment.node}`)
      }
      return
    }
    changed.add(resourceName(some))
    if (some.type === 'service') {
      const fresh = now?.type === 'service' ? now : undefined
      if (renewSummary(some.key, fresh)) changed.add(`summary/${some.key}`)
    }
    const [left, joined] = [indexedAddresses(before), indexedAddresses(now)]
    for (const address of left) if (!joined.includes(address)) changed.add(`address/${address}`)
    for (const address of joined) if (!left.includes(address)) changed.add(`address/${address}`)
  }

  return {
    get tables() {
      return tables
    },
    nodes: () => nodes.names(),
    enrolmentsOn: (node) => nodes.enrolmentsOn(node),
    summaryOf: (key) => summaries.get(key),
    backendOf(key) {
      const service = tables.service(key)
      if (service === undefined) return undefined
      const backend = backends.get(service) ?? withoutAddresses(service)
      backends.set(service, backend)
      return backend
    },
    change(change) {
      const changed = new Set<string>()
      const last = new Map<string, Resource | undefined>()
      for (const name of change.removals) last.set(name, undefined)
      for (const resource of change.upserts) last.set(resourceName(resource), resource)
      for (const [name, now] of last) note(tables.resources.get(name), now, changed)
      tables = tables.with(change)
      return changed
    },
  }
}

/** Enrolments by node. */
function createNodes() {
  const nodes = new Map<string, Map<string, PodEnrolment>>()
  return {
    names: () => nodes.keys(),
    enrolmentsOn: (node: string) => nodes.get(node)?.values() ?? [],
    move(before: PodEnrolment | undefined, now: PodEnrolment | undefined): void {
      if (before !== undefined) {
        const left = nodes.get(before.node)
        left?.delete(before.uid)
        if (left?.size === 0) nodes.delete(before.node)
      }
      if (now === undefined) return
      const joined = nodes.get(now.node) ?? new Map<string, PodEnrolment>()
      nodes.set(now.node, joined.set(now.uid, now))
    },
  }
}

function withoutAddresses(service: Service): Service {
  const { externalAddresses: _external, ...rest } = service
  return { ...rest, addresses: [], addressesOmitted: true }
}

function asEnrolment(resource: Resource | undefined): PodEnrolment | undefined {
  return resource?.type === 'enrolment' ? resource : undefined
}

function summarise(service: Service): Service {
  return { ...service, endpoints: [], endpointsOmitted: true }
}
