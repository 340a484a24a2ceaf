import { compareNames } from '../../model/diff.ts'
import type { Resource } from '../../model/resources.ts'
import type { Answer } from './answer.ts'
import type { Asked } from './asked.ts'

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
 * new is there. Looks at what is open alone, and closes what turns out to be settled.
 */
export function planDelta(asked: Asked, held: Held, maxItems: number): DeltaPlan {
  const missing = new Map<string, Resource>()
  const gone: string[] = []
  const wantedOf = asked.wanted()
  for (const name of asked.openResources) {
    const wanted = wantedOf(name)
    const holds = held.resources.get(name)
    if (wanted === holds) asked.openResources.delete(name)
    else if (wanted === undefined) gone.push(name)
    else if (held.rejected.get(name) !== wanted) missing.set(name, wanted)
  }
  const upserts = takeItems(missing, maxItems)
  const complete = upserts.size === missing.size
  const obsolete = [...held.rejected]
    .filter(([name, resource]) => wantedOf(name) !== resource)
    .map(([name]) => name)
  const removals = complete ? gone.sort(compareNames) : []
  return { upserts, removals, ...planAnswers(asked, held, upserts), obsolete, complete }
}

function planAnswers(
  { openNames, answers }: Asked,
  held: Held,
  upserts: ReadonlyMap<string, Resource>,
): Pick<DeltaPlan, 'present' | 'absent'> {
  const present: string[] = []
  const absent: string[] = []
  for (const name of openNames) {
    const answer = answers.get(name)
    const told = held.told.get(name)
    const state = answer?.found === true ? 'present' : 'absent'
    if (answer === undefined || told === state) openNames.delete(name)
    else if (state === 'absent') absent.push(name)
    else if (isHeld(answer, held, upserts)) present.push(name)
  }
  return { present, absent }
}

function isHeld(answer: Answer, held: Held, upserts: ReadonlyMap<string, Resource>): boolean {
  for (const name of answer.resources.keys()) {
    if (!held.resources.has(name) && !upserts.has(name)) return false
  }
  return true
}

/** What is referred to comes before what refers to it. */
const order = ['settings', 'workload', 'service', 'routes', 'enrolment'] as const

/** By dependency and then by name; the first one always. */
function takeItems(
  missing: ReadonlyMap<string, Resource>,
  maxItems: number,
): ReadonlyMap<string, Resource> {
  const taken = new Map<string, Resource>()
  const names = Map.groupBy(missing.keys(), (name) => missing.get(name)?.type)
  let items = 0
  for (const type of order) {
    // By code units, as compareNames has it.
    for (const name of names.get(type)?.sort() ?? []) {
      const resource = missing.get(name)
      if (resource === undefined) continue
      items += itemsOf(resource)
      if (items > maxItems && taken.size > 0) return taken
      taken.set(name, resource)
    }
  }
  return taken
}

function itemsOf(resource: Resource): number {
  if (resource.type === 'service') return 1 + resource.endpoints.length
  if (resource.type !== 'routes') return 1
  return resource.tables.reduce((sum, { rules }) => sum + rules.length, 1)
}
