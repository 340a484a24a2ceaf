import { parseSubscription } from '../../model/names.ts'
import { servicesOfRoutes } from '../../model/http-routes.ts'
import { type Resource, resourceName, type Service } from '../../model/resources.ts'
import { isFuller } from './fuller.ts'
import type { Snapshot } from './snapshot.ts'

/** What a subscription is answered with, at one moment. */
export interface Answer {
  /** False: nothing answers to the name. */
  readonly found: boolean
  /** By resource name. A service may be here without its endpoints. */
  readonly resources: ReadonlyMap<string, Resource>
  /** What was looked at: the answer holds until one of these changes. See Snapshot.change. */
  readonly dependencies: ReadonlySet<string>
}

/** See model/source.ts for what each name is answered with. Names that are none find nothing. */
export function answerTo(name: string, snapshot: Snapshot): Answer {
  const collected = collect(snapshot)
  const subscription = parseSubscription(name)
  const found =
    subscription?.kind === 'node'
      ? collected.addNode(subscription.node)
      : subscription !== undefined && collected.addAddress(subscription)
  return { found, resources: collected.resources, dependencies: collected.dependencies }
}

function collect({ tables, enrolmentsOn, summaryOf, backendOf }: Snapshot) {
  const resources = new Map<string, Resource>()
  const dependencies = new Set<string>()

  function add(resource: Resource | undefined): void {
    if (resource === undefined) return
    const name = resourceName(resource)
    if (isFuller(resource, resources.get(name))) resources.set(name, resource)
  }

  /** A workload, and the services it is an endpoint of, for telemetry. */
  function addWorkload(uid: string): void {
    dependencies.add(`workload/${uid}`)
    const workload = tables.workload(uid)
    add(workload)
    for (const key of workload?.services ?? []) {
      dependencies.add(`summary/${key}`)
      add(summaryOf(key))
    }
  }

  /** With its endpoints, and the workloads of these. */
  function addService(service: Service): void {
    dependencies.add(`service/${service.key}`)
    add(service)
    for (const { workload } of service.endpoints) {
      if (workload === '') continue
      dependencies.add(`workload/${workload}`)
      add(tables.workload(workload))
    }
  }

  /**
   * A service's routes, and where they lead; not on from there, as a backend has no routes then.
   */
  function addRoutes(key: string): void {
    dependencies.add(`routes/${key}`)
    const routes = tables.routes(key)
    add(routes)
    for (const backend of routes === undefined ? [] : servicesOfRoutes(routes)) {
      dependencies.add(`service/${backend}`)
      const service = backendOf(backend)
      if (service !== undefined) addService(service)
    }
  }

  return {
    resources,
    dependencies,
    addNode(node: string): boolean {
      dependencies.add('settings').add(`node/${node}`)
      add(tables.settings)
      for (const enrolment of enrolmentsOn(node)) {
        add(enrolment)
        if (enrolment.workload !== '') addWorkload(enrolment.workload)
      }
      return true
    },
    addAddress(address: { readonly network: string; readonly ip: string }): boolean {
      dependencies.add(`address/${address.network}/${address.ip}`)
      const entry = tables.at(address)
      for (const service of entry?.services ?? []) {
        addService(service)
        addRoutes(service.key)
      }
      if (entry?.workload !== undefined) addWorkload(entry.workload.uid)
      return entry !== undefined
    },
  }
}
