import { type FieldError, readFields, readObject, readRaw, show } from '../../model/fields.ts'
import { annotationFaults, annotationsInForce } from './annotations.ts'
import type { Facts, Kind, NamespaceFacts, NodeFacts } from './facts.ts'
import type { Problem, ReportProblem } from './problem.ts'
import { readMeta } from './read-meta.ts'
import { readPod } from './read-pod.ts'
import { readService } from './read-service.ts'
import { readSlice } from './read-slice.ts'

/** Facts that are in force, by `kind/namespace/name`. */
export type LastGood = ReadonlyMap<string, Facts>

const readers: Readonly<
  Record<Kind, { apiVersion: string; read: (fields: ReturnType<typeof readFields>) => Facts }>
> = {
  Namespace: { apiVersion: 'v1', read: (fields): NamespaceFacts => readMeta(fields, 'Namespace') },
  Node: { apiVersion: 'v1', read: (fields): NodeFacts => readMeta(fields, 'Node') },
  Pod: { apiVersion: 'v1', read: readPod },
  Service: { apiVersion: 'v1', read: readService },
  EndpointSlice: { apiVersion: 'discovery.k8s.io/v1', read: readSlice },
}

export function factsId({ kind, namespace, name }: Subject): string {
  return `${kind}/${namespace}/${name}`
}

/**
 * Reads objects of unknown shape. A bad one is reported, and what was in force for it before stays so; the
 * others go on.
 * @param placeOf file and line of an object, where it has one
 */
export function admit(
  objects: readonly unknown[],
  lastGood: LastGood,
  report: ReportProblem,
  placeOf: (object: unknown) => string | undefined,
): Admitted {
  const admitted = new Map<string, Facts>()
  const seen = new Map<string, string | undefined>()
  for (const [index, object] of objects.entries()) {
    const place = placeOf(object)
    const subject = subjectOf(object, index)
    const reportHere = (problem: Omit<Problem, keyof Subject | 'place'>) => {
      report({ ...subject, ...problem, ...(place === undefined ? {} : { place }) })
    }
    const kind = kindOf(object, reportHere)
    if (kind === undefined) continue
    const errors: FieldError[] = []
    const facts = readers[kind].read(readFields(object, '', (error) => errors.push(error)))
    const id = factsId(facts)
    if (seen.has(id)) {
      reportHere(twice(seen.get(id)))
      continue
    }
    seen.set(id, place)
    const before = lastGood.get(id)
    const good = errors.length > 0 ? before : withGoodAnnotations(facts, before, reportHere)
    const effect = before === undefined ? 'it is left out' : 'its last good version stays in force'
    for (const error of errors) reportHere({ severity: 'error', ...error, effect })
    if (good !== undefined) admitted.set(id, good)
  }
  return { inForce: admitted, places: seen }
}

export interface Admitted {
  readonly inForce: LastGood
  /** Where an object stands, by `kind/namespace/name`. */
  readonly places: ReadonlyMap<string, string | undefined>
}

type Subject = Pick<Problem, 'kind' | 'namespace' | 'name'>
type ReportHere = (problem: Omit<Problem, keyof Subject | 'place'>) => void

/** As far as it can be told. */
function subjectOf(object: unknown, index: number): Subject {
  const fields = readFields(object, '', () => {})
  const metadata = readObject({ ...fields, report: () => {} }, 'metadata')
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const name = text(readRaw(metadata, 'name'))
  return {
    kind: text(readRaw(fields, 'kind')) || 'object',
    namespace: text(readRaw(metadata, 'namespace')),
    name: name === '' ? `number ${index + 1}` : name,
  }
}

function kindOf(object: unknown, report: ReportHere): Kind | undefined {
  const fields = readFields(object, '', () => {})
  const [kind, version] = [readRaw(fields, 'kind'), readRaw(fields, 'apiVersion')]
  const known = typeof kind === 'string' && Object.hasOwn(readers, kind)
  if (!known) {
    const kinds = Object.keys(readers).join(', ')
    report({
      severity: typeof kind === 'string' ? 'warning' : 'error',
      field: 'kind',
      message: typeof kind === 'string' ? 'is not read' : `is ${show(kind)}`,
      fix: `${typeof kind === 'string' ? 'nothing to do if that is meant' : 'name it'}; what is read: ${kinds}`,
      effect: 'it is left out',
    })
    return undefined
  }
  const wanted = readers[kind as Kind].apiVersion
  if (version === wanted) return kind as Kind
  report({
    severity: 'error',
    field: 'apiVersion',
    message: `is ${show(version)}, not "${wanted}"`,
    fix: `write the object as ${wanted}`,
    effect: 'it is left out',
  })
  return undefined
}

function twice(place: string | undefined): Omit<Problem, keyof Subject | 'place'> {
  return {
    severity: 'error',
    field: 'metadata.name',
    message: `is given twice${place === undefined ? '' : `, first in ${place}`}`,
    fix: 'keep one of the two',
    effect: 'the first is in force',
  }
}

function withGoodAnnotations(facts: Facts, before: Facts | undefined, report: ReportHere): Facts {
  const faults = annotationFaults(facts.kind, facts.annotations)
  if (faults.length === 0) return facts
  for (const { severity, name, message, fix } of faults) {
    const last = before?.annotations[name]
    const kept = last === undefined ? 'it counts as not set' : `"${last}" stays in force`
    const effect = severity === 'error' ? kept : 'it is ignored'
    report({ severity, field: `metadata.annotations[${name}]`, message, fix, effect })
  }
  const annotations = annotationsInForce(facts.annotations, faults, before?.annotations ?? {})
  return { ...facts, annotations }
}
