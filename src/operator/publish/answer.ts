import { parseSubscription } from '../../model/names.ts'
import { type Resource, resourceName } from '../../model/resources.ts'
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

function collect({ tables, enrolmentsOn, summaryOf }: Snapshot) {
  const resources = new Map<string, Resource>()
  const dependencies = new Set<string>()

  function add(resource: Resource | undefined): void {
    if (resource !== undefined) resources.set(resourceName(resource), resource)
  }

  /** A workload, and the services it is an endpoint of, for telemetry. */
  function addWorkload(uid: string): void {
    dependencies.add(`workload/${uid}`)
    const workload = tables.workload(uid)
    add(workload)
    for (const key of workload?.services ?? []) {
      dependencies.add(`summary/${key}`)
      if (!resources.has(`service/${key}`)) add(summaryOf(key))
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
        dependencies.add(`service/${service.key}`)
        add(service)
        for (const { workload } of service.endpoints) {
          if (workload === '') continue
          dependencies.add(`workload/${workload}`)
          add(tables.workload(workload))
        }
      }
      if (entry?.workload !== undefined) addWorkload(entry.workload.uid)
      return entry !== undefined
    },
  }
}
