import { sameData } from '../../../model/equal.ts'
import type { RouteStatus } from './compile-routes.ts'

/** An entry of an HTTPRoute's `status.parents`; each controller has its own. */
export interface ParentStatus {
  readonly parentRef: object
  readonly controllerName: string
  readonly conditions: readonly WrittenCondition[]
}

export interface WrittenCondition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly observedGeneration: number
  readonly lastTransitionTime: string
}

/** The most entries that the CRD lets in. */
const maxParents = 32

/**
 * What `status.parents` should be: others' entries as they are and where they are, then ours, which
 * are gone where the route is not for us any more. Conditions of other types in our entries stay.
 * @returns undefined where it is so already, or where somebody has told of a newer generation
 */
export function mergeParentStatus(
  before: readonly ParentStatus[],
  { generation, parents }: Pick<RouteStatus, 'generation' | 'parents'>,
  controllerName: string,
  now: string,
): readonly ParentStatus[] | undefined {
  const others = before.filter((entry) => entry.controllerName !== controllerName)
  const own = before.filter((entry) => entry.controllerName === controllerName)
  const newest = Math.max(
    0,
    ...own.flatMap(({ conditions }) => conditions.map((each) => each.observedGeneration)),
  )
  if (newest > generation) return undefined
  const ours = parents.map(({ parentRef, conditions }): ParentStatus => {
    const old = own.find((entry) => sameData(entry.parentRef, parentRef))?.conditions ?? []
    const written = conditions.map((condition) => {
      const last = old.find(({ type }) => type === condition.type)
      const lastTransitionTime = last?.status === condition.status ? last.lastTransitionTime : now
      return { ...condition, observedGeneration: generation, lastTransitionTime }
    })
    const foreign = old.filter(({ type }) => !ownTypes.has(type))
    return { parentRef, controllerName, conditions: [...written, ...foreign] }
  })
  const wanted = [...others, ...ours].slice(0, Math.max(maxParents, others.length))
  return sameData(sorted(before), sorted(wanted)) ? undefined : wanted
}

const ownTypes: ReadonlySet<string> = new Set([
  'Accepted',
  'ResolvedRefs',
  'PartiallyInvalid',
  'sluice.dev/Live',
])

/** The order of entries and of conditions says nothing, and others may change it. */
function sorted(entries: readonly ParentStatus[]): readonly unknown[] {
  const byText = (a: string, b: string) => (a < b ? -1 : Number(a > b))
  return entries
    .map((entry) => ({
      ...entry,
      conditions: [...entry.conditions].sort((a, b) => byText(a.type, b.type)),
    }))
    .map((entry) => ({ key: JSON.stringify([entry.controllerName, entry.parentRef]), entry }))
    .sort((a, b) => byText(a.key, b.key))
    .map(({ entry }) => entry)
}
