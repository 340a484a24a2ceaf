import { compareNames } from '../../model/diff.ts'
import type { Resource } from '../../model/resources.ts'
import type { Answer } from './answer.ts'

/** Something that it holds from an earlier stream, and which is not what is published now. */
export type Outdated = 'outdated'

/** What a node is known to hold, as of its last acknowledgement. */
export interface Held {
  readonly resources: ReadonlyMap<string, Resource | Outdated>
  /** What it was told of each subscribed name. */
  readonly told: ReadonlyMap<string, 'present' | 'absent'>
  /** Resources that it rejected: not sent again before they change. */
  readonly rejected: ReadonlyMap<string, Resource>
}

export interface DeltaPlan {
  readonly upserts: ReadonlyMap<string, Resource>
  readonly removals: readonly string[]
  readonly present: readonly string[]
  readonly absent: readonly string[]
  /** Rejected resources that are not wanted any more, or changed. */
  readonly obsolete: readonly string[]
  /** Nothing is left to be sent after it. */
  readonly complete: boolean
}

/**
 * What to send next to a node, so that it holds the union of the answers to its subscriptions.
 * Workloads go before the services that refer to them, enrolments last; removals when everything
 * new is there.
 */
export function planDelta(
  answers: ReadonlyMap<string, Answer>,
  held: Held,
  maxItems: number,
): DeltaPlan {
  const wanted = unionOf(answers.values())
  const missing = [...wanted].filter(
    ([name, resource]) =>
      held.resources.get(name) !== resource && held.rejected.get(name) !== resource,
  )
  const upserts = new Map(takeItems(missing.sort(byDependency), maxItems))
  const complete = upserts.size === missing.length
  const present: string[] = []
  const absent: string[] = []
  for (const [name, answer] of answers) {
    const told = held.told.get(name)
    if (!answer.found && told !== 'absent') absent.push(name)
    if (answer.found && told !== 'present' && isHeld(answer, held, upserts)) present.push(name)
  }
  const removals = complete
    ? [...held.resources.keys()].filter((name) => !wanted.has(name)).sort(compareNames)
    : []
  const obsolete = [...held.rejected]
    .filter(([name, resource]) => wanted.get(name) !== resource)
    .map(([name]) => name)
  return { upserts, removals, present, absent, obsolete, complete }
}

function isHeld(answer: Answer, held: Held, upserts: ReadonlyMap<string, Resource>): boolean {
  for (const name of answer.resources.keys()) {
    if (!held.resources.has(name) && !upserts.has(name)) return false
  }
  return true
}

/** A service with its endpoints wins over the same without. */
export function unionOf(answers: Iterable<Answer>): ReadonlyMap<string, Resource> {
  const union = new Map<string, Resource>()
  for (const { resources } of answers) {
    for (const [name, resource] of resources) {
      if (!isSummary(resource) || !union.has(name)) union.set(name, resource)
    }
  }
  return union
}

function isSummary(resource: Resource): boolean {
  return resource.type === 'service' && resource.endpointsOmitted === true
}

const order: readonly Resource['type'][] = ['settings', 'workload', 'service', 'enrolment']

function byDependency([a, x]: [string, Resource], [b, y]: [string, Resource]): number {
  return order.indexOf(x.type) - order.indexOf(y.type) || compareNames(a, b)
}

function takeItems<T extends [string, Resource]>(entries: readonly T[], maxItems: number): T[] {
  let items = 0
  const end = entries.findIndex(([, resource], index) => {
    items += resource.type === 'service' ? 1 + resource.endpoints.length : 1
    return items > maxItems && index > 0
  })
  return end === -1 ? [...entries] : entries.slice(0, end)
}
