import type { Acceleration, FailureMode, OldConnections, PodChoice } from '../../model/resources.ts'
import type { ObjectFacts } from './facts.ts'

/** What people write on namespaces and pods, and the values it may have. */
export const annotationValues: Readonly<Record<string, readonly string[]>> = {
  'sluice.dev/enroll': ['true', 'false'],
  'sluice.dev/accelerate': ['auto', 'full', 'off'],
  'sluice.dev/failure-mode': ['open', 'closed'],
  'sluice.dev/old-connections': ['keep', 'reset'],
}

export const annotationPrefix = 'sluice.dev/'

type Annotated = Pick<ObjectFacts, 'annotations'> | undefined

/** Undefined where nothing is said, or nothing that is right. */
export function enrollWish(object: Annotated): boolean | undefined {
  const value = object?.annotations['sluice.dev/enroll']
  return value === 'true' || value === 'false' ? value === 'true' : undefined
}

export function accelerationWish(object: Annotated): Acceleration | undefined {
  const value = object?.annotations['sluice.dev/accelerate']
  return value === 'auto' || value === 'full' || value === 'off' ? value : undefined
}

export function failureModeWish(object: Annotated): FailureMode | undefined {
  const value = object?.annotations['sluice.dev/failure-mode']
  return value === 'open' || value === 'closed' ? value : undefined
}

export function oldConnectionsWish(object: Annotated): OldConnections | undefined {
  const value = object?.annotations['sluice.dev/old-connections']
  return value === 'keep' || value === 'reset' ? value : undefined
}

const choices: Readonly<Record<PodChoice, string>> = {
  enrolled: 'sluice.dev/enroll',
  acceleration: 'sluice.dev/accelerate',
  failureMode: 'sluice.dev/failure-mode',
  oldConnections: 'sluice.dev/old-connections',
}

/**
 * Whether a choice for a pod hangs on a value that is wrong, of which nobody knows what it was
 * before: see annotationsInForce.
 */
export function isUndecided(choice: PodChoice, pod: Annotated, namespace: Annotated): boolean {
  const name = choices[choice]
  const value = pod?.annotations[name] ?? namespace?.annotations[name]
  return value !== undefined && !isValue(name, value)
}

function isValue(name: string, value: string | undefined): boolean {
  return value !== undefined && annotationValues[name]?.includes(value) === true
}

export interface AnnotationFault {
  readonly name: string
  readonly message: string
  readonly fix: string
  readonly severity: 'error' | 'warning'
}

/** What is wrong with our annotations on an object of that kind. */
export function annotationFaults(
  kind: string,
  annotations: Readonly<Record<string, string>>,
): readonly AnnotationFault[] {
  const own = Object.entries(annotations).filter(([name]) => name.startsWith(annotationPrefix))
  return own.flatMap(([name, value]) => {
    const values = annotationValues[name]
    if (values === undefined) {
      const known = Object.keys(annotationValues).join(', ')
      return fault('warning', name, 'is not known', `use one of ${known}, or take it away`)
    }
    if (kind !== 'Namespace' && kind !== 'Pod') {
      const fix = 'put it on a Namespace or a Pod'
      return fault('warning', name, `has no effect on a ${kind}`, fix)
    }
    if (values.includes(value)) return []
    const allowed = values.map((each) => JSON.stringify(each)).join(', ')
    const found = JSON.stringify(value.slice(0, 40))
    return fault('error', name, `is ${found}, not one of ${allowed}`, `set one of ${allowed}`)
  })
}

function fault(
  severity: AnnotationFault['severity'],
  name: string,
  message: string,
  fix: string,
): readonly AnnotationFault[] {
  return [{ severity, name, message, fix }]
}

/** What holds in the place of a wrong value. */
export type InItsPlace =
  | { readonly kind: 'last'; readonly value: string }
  /** It was not set before. */
  | { readonly kind: 'unset' }
  /** Nobody here knows what was before, as after a restart: nodes do. */
  | { readonly kind: 'undecided' }

export function inPlaceOf(name: string, before: Annotated): InItsPlace {
  if (before === undefined) return { kind: 'undecided' }
  const value = before.annotations[name]
  if (value === undefined) return { kind: 'unset' }
  return isValue(name, value) ? { kind: 'last', value } : { kind: 'undecided' }
}

/**
 * The annotations that are in force: a wrong value is replaced by the one that was in force before,
 * or by none; where that is not known it stays, as what is undecided. So a slip of the pen neither
 * takes a pod out of the mesh nor keeps back the rest of the object.
 */
export function annotationsInForce(
  annotations: Readonly<Record<string, string>>,
  faults: readonly AnnotationFault[],
  before: Annotated,
): Readonly<Record<string, string>> {
  const inForce = { ...annotations }
  for (const { name, severity } of faults) {
    if (severity === 'warning') continue
    const instead = inPlaceOf(name, before)
    if (instead.kind === 'unset') delete inForce[name]
    else if (instead.kind === 'last') inForce[name] = instead.value
  }
  return inForce
}
