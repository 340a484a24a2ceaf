import type { Resource } from '../../model/resources.ts'
import type { Answer } from './answer.ts'
import { isFuller } from './fuller.ts'
import type { DeltaPlan } from './plan-delta.ts'

/**
 * What one node asked for and is answered with, and what of that may not be with the node yet: a
 * change costs by what it touches, and not by all that the node holds.
 */
export interface Asked {
  /** To every subscribed name what answered it when it was last looked at. */
  readonly answers: ReadonlyMap<string, Answer>
  /** Resources that may be different from what the node holds. */
  readonly openResources: Set<string>
  /** Subscribed names of which the node may not have been told. */
  readonly openNames: Set<string>
  /** The answer to a name may be another now, or the name is not subscribed any more. */
  touch(name: string): void
  /** The node is to be told of a name again. */
  askAgain(name: string): void
  /** Looks at what was touched. */
  refresh(): void
  /**
   * The node has taken a delta. What changed since that was planned has been touched, and is opened
   * again when it is looked at.
   */
  settle(delta: Pick<DeltaPlan, 'upserts' | 'removals' | 'present' | 'absent'>): void
  /** What the node is to hold, by name of a resource; valid until the next refresh. */
  wanted(): (resource: string) => Resource | undefined
}

/** Below it, looking into each answer is cheaper than making one of all. */
const fewOpen = 32

/**
 * @param mostTouched names; beyond, they are looked at, as a node that comes and goes and answers
 * nothing must not gather them without end
 * @param answerOf undefined: the name is not subscribed
 */
export function createAsked(
  mostTouched: number,
  answerOf: (name: string) => Answer | undefined,
): Asked {
  const answers = new Map<string, Answer>()
  const touched = new Set<string>()
  const openResources = new Set<string>()
  const openNames = new Set<string>()

  function replace(name: string, now: Answer | undefined): void {
    const before = answers.get(name)
    if (now === undefined) openNames.delete(name)
    if (before === now) return
    if (now === undefined) answers.delete(name)
    else {
      answers.set(name, now)
      openNames.add(name)
    }
    for (const [resource, old] of before?.resources ?? []) {
      if (now?.resources.get(resource) !== old) openResources.add(resource)
    }
    for (const [resource, fresh] of now?.resources ?? []) {
      if (before?.resources.get(resource) !== fresh) openResources.add(resource)
    }
  }

  function refresh(): void {
    for (const name of touched) replace(name, answerOf(name))
    touched.clear()
  }

  return {
    answers,
    openResources,
    openNames,
    touch(name) {
      touched.add(name)
      if (touched.size > mostTouched) refresh()
    },
    askAgain: (name) => void openNames.add(name),
    refresh,
    settle({ upserts, removals, present, absent }) {
      for (const name of upserts.keys()) openResources.delete(name)
      for (const name of removals) openResources.delete(name)
      for (const name of present) openNames.delete(name)
      for (const name of absent) openNames.delete(name)
    },
    wanted() {
      if (openResources.size > fewOpen) {
        const union = unionOf(answers.values())
        return (resource) => union.get(resource)
      }
      return (resource) => wantedBy(answers.values(), resource)
    },
  }
}

/** Of one service the fullest wins. */
export function unionOf(answers: Iterable<Answer>): ReadonlyMap<string, Resource> {
  const union = new Map<string, Resource>()
  for (const { resources } of answers) {
    for (const [name, resource] of resources) {
      if (isFuller(resource, union.get(name))) union.set(name, resource)
    }
  }
  return union
}

function wantedBy(answers: Iterable<Answer>, name: string): Resource | undefined {
  let best: Resource | undefined
  for (const { resources } of answers) {
    const resource = resources.get(name)
    if (resource !== undefined && isFuller(resource, best)) best = resource
  }
  return best
}
