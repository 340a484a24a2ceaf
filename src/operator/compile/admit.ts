import {
  type FieldError,
  readFields,
  readObject,
  readRaw,
  readText,
  show,
} from '../../model/fields.ts'
import { annotationFaults, annotationsInForce, inPlaceOf, type InItsPlace } from './annotations.ts'
import type { Facts, Kind, NamespaceFacts, NodeFacts, RuntimeClassFacts } from './facts.ts'
import type { Problem, ReportProblem } from './problem.ts'
import { readMeshConfig } from './read-mesh-config.ts'
import { readMeta } from './read-meta.ts'
import { readPod } from './read-pod.ts'
import { readService } from './read-service.ts'
import { readSlice } from './read-slice.ts'

/** Facts that are in force, by `kind/namespace/name`. */
export type LastGood = ReadonlyMap<string, Facts>

export interface Admitted {
  readonly inForce: LastGood
  /** Facts of objects with which nothing was wrong: the same object need not be read again. */
  readonly clean: ReadonlyMap<unknown, Facts>
  /** Where an object stands, by `kind/namespace/name`. */
  readonly places: ReadonlyMap<string, string | undefined>
}

const readers: Readonly<
  Record<Kind, { apiVersion: string; read: (fields: ReturnType<typeof readFields>) => Facts }>
> = {
  MeshConfig: { apiVersion: 'sluice.dev/v1alpha1', read: readMeshConfig },
  RuntimeClass: {
    apiVersion: 'node.k8s.io/v1',
    read: (fields): RuntimeClassFacts => ({
      ...readMeta(fields, 'RuntimeClass'),
      handler: readText(fields, 'handler'),
    }),
  },
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
 * Reads objects of unknown shape. A bad one is reported, and what was in force for it before stays
 * so; the others go on.
 * @param placeOf file and line of an object, where it has one
 */
export function admit(
  objects: readonly unknown[],
  before: Pick<Admitted, 'inForce' | 'clean'> | undefined,
  report: ReportProblem,
  placeOf: (object: unknown) => string | undefined,
): Admitted {
  const inForce = new Map<string, Facts>()
  const clean = new Map<unknown, Facts>()
  const places = new Map<string, string | undefined>()
  for (const [index, object] of objects.entries()) {
    const place = placeOf(object)
    let reports = 0
    const reportHere: ReportHere = (problem) => {
      reports += 1
      const where = place === undefined ? {} : { place }
      report({ ...subjectOf(object, index), ...problem, ...where })
    }
    const found = before?.clean.get(object) ?? readFacts(object, reportHere)
    if (found === undefined) continue
    const { facts, errors } = 'facts' in found ? found : { facts: found, errors: [] }
    const id = factsId(facts)
    if (places.has(id)) {
      reportHere(twice(places.get(id)))
      continue
    }
    places.set(id, place)
    const good = settle({ facts, errors }, before?.inForce.get(id), reportHere)
    if (good !== undefined) inForce.set(id, good)
    if (reports === 0) clean.set(object, facts)
  }
  return { inForce, clean, places }
}

/**
 * The same for one object of a cluster, where names are unique.
 * @returns undefined for what is none of the kinds that are read
 */
export function admitOne(
  object: unknown,
  lastOf: (id: string) => Facts | undefined,
  report: ReportProblem,
): { readonly id: string; readonly inForce: Facts | undefined } | undefined {
  const reportHere: ReportHere = (problem) => report({ ...subjectOf(object, 0), ...problem })
  const found = readFacts(object, reportHere)
  if (found === undefined) return undefined
  const id = factsId(found.facts)
  return { id, inForce: settle(found, lastOf(id), reportHere) }
}

/** What is in force of an object that may be bad. */
function settle(
  { facts, errors }: ReadFacts,
  last: Facts | undefined,
  report: ReportHere,
): Facts | undefined {
  const effect = last === undefined ? 'it is left out' : 'its last good version stays in force'
  for (const error of errors) report({ severity: 'error', ...error, effect })
  return errors.length > 0 ? last : withGoodAnnotations(facts, last, report)
}

interface ReadFacts {
  readonly facts: Facts
  readonly errors: readonly FieldError[]
}

/** Undefined for what is none of the kinds that are read. */
function readFacts(object: unknown, report: ReportHere): ReadFacts | undefined {
  const kind = kindOf(object, report)
  if (kind === undefined) return undefined
  const errors: FieldError[] = []
  return {
    facts: readers[kind].read(readFields(object, '', (error) => errors.push(error))),
    errors,
  }
}

type Subject = Pick<Problem, 'kind' | 'namespace' | 'name' | 'uid'>
type ReportHere = (problem: Omit<Problem, keyof Subject | 'place'>) => void

/** As far as it can be told. */
function subjectOf(object: unknown, index: number): Subject {
  const fields = readFields(object, '', () => {})
  const metadata = readObject({ ...fields, report: () => {} }, 'metadata')
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const name = text(readRaw(metadata, 'name'))
  const uid = text(readRaw(metadata, 'uid'))
  return {
    kind: text(readRaw(fields, 'kind')) || 'object',
    namespace: text(readRaw(metadata, 'namespace')),
    name: name === '' ? `number ${index + 1}` : name,
    ...(uid === '' ? {} : { uid }),
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
      fix:
        `${typeof kind === 'string' ? 'nothing to do if that is meant' : 'name it'}; ` +
        `what is read: ${kinds}`,
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
    const effect = severity === 'error' ? effectOf(inPlaceOf(name, before)) : 'it is ignored'
    report({ severity, field: `metadata.annotations[${name}]`, message, fix, effect })
  }
  const annotations = annotationsInForce(facts.annotations, faults, before)
  return { ...facts, annotations }
}

function effectOf(instead: InItsPlace): string {
  if (instead.kind === 'last') return `"${instead.value}" stays in force`
  if (instead.kind === 'unset') return 'it counts as not set'
  return 'pods that their nodes know stay as they are; for others it counts as not set'
}
