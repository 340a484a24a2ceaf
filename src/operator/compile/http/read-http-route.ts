import {
  type FieldError,
  type Fields,
  hasField,
  portRange,
  readFields,
  readObject,
  readObjects,
  readRaw,
  readText,
  readWhole,
  reportField,
} from '../../../model/fields.ts'
import type { HttpRetry } from '../../../model/http-routes.ts'
import { readBackendRef } from './read-backend-ref.ts'
import { readDurationMs } from './read-duration.ts'
import { readFilters } from './read-filters.ts'
import { readMatches } from './read-match.ts'
import type {
  BackendFacts,
  FilterFacts,
  HttpRouteFacts,
  ParentFacts,
  RuleFacts,
} from './route-facts.ts'

const maxWeight = 1_000_000
/** Where a route asks for retries, and not for how many. */
const defaultAttempts = 1
const defaultBackoffMs = 25

/**
 * Reads an HTTPRoute that the API server let in. What is wrong with a rule is that rule's: the
 * others go on.
 */
export function readHttpRoute(object: object): HttpRouteFacts {
  const fields = readFields(object, '', () => {})
  const metadata = readObject(fields, 'metadata')
  const spec = readObject(fields, 'spec')
  const namespace = readText(metadata, 'namespace', '') || 'default'
  const rules = readObjects(spec, 'rules')
  return {
    namespace,
    name: readText(metadata, 'name'),
    created: readText(metadata, 'creationTimestamp', ''),
    generation: readWhole(metadata, 'generation', { min: 0, max: Number.MAX_SAFE_INTEGER }, 0),
    parents: readObjects(spec, 'parentRefs').flatMap((parent) => readParent(parent, namespace)),
    rules: (rules.length === 0 ? [emptyRule] : rules).map((rule, index) =>
      readRule(rule, index, namespace),
    ),
    hasHostnames: countOf(spec, 'hostnames') > 0,
  }
}

/** What the CRD puts where a route has no rules. */
const emptyRule = readFields({}, 'spec.rules[0]', () => {})

function countOf(fields: Fields, name: string): number {
  const list = readRaw(fields, name)
  return Array.isArray(list) ? list.length : 0
}

/** `core` is the empty group's name in the specification's own examples. */
function readParent(fields: Fields, namespace: string): readonly ParentFacts[] {
  const group = readText(fields, 'group', 'gateway.networking.k8s.io')
  const kind = readText(fields, 'kind', 'Gateway')
  if (kind !== 'Service' || (group !== '' && group !== 'core')) return []
  return [
    {
      ref: fields.members,
      namespace: readText(fields, 'namespace', '') || namespace,
      name: readText(fields, 'name'),
      port: hasField(fields, 'port') ? readWhole(fields, 'port', portRange) : 0,
      section: readText(fields, 'sectionName', ''),
    },
  ]
}

function readRule(raw: Fields, index: number, namespace: string): RuleFacts {
  const errors: FieldError[] = []
  const rule: Fields = { ...raw, report: (error) => void errors.push(error) }
  const timeouts = readObject(rule, 'timeouts')
  const facts = {
    name: readText(rule, 'name', '') || String(index),
    errors,
    matches: readMatches(rule),
    filters: readFilters(rule, namespace),
    backends: readObjects(rule, 'backendRefs').map((backend) => readBackend(backend, namespace)),
    requestTimeoutMs: readDurationMs(timeouts, 'request', 0),
    backendTimeoutMs: readDurationMs(timeouts, 'backendRequest', 0),
    retry: readRetry(rule),
  }
  checkTogether(rule, facts)
  return facts
}

function readBackend(fields: Fields, namespace: string): BackendFacts {
  return {
    ref: readBackendRef(fields, namespace),
    weight: readWhole(fields, 'weight', { min: 0, max: maxWeight }, 1),
    filters: readFilters(fields, namespace),
  }
}

function readRetry(rule: Fields): HttpRetry | undefined {
  if (!hasField(rule, 'retry')) return undefined
  const retry = readObject(rule, 'retry')
  const codes = readRaw(retry, 'codes')
  const statuses = Array.isArray(codes) ? codes.filter((code) => typeof code === 'number') : []
  if (statuses.some((code) => !Number.isInteger(code) || code < 400 || code > 599)) {
    reportField(retry, 'codes', 'has one that is no status of an error', 'give 400 to 599')
  }
  return {
    attempts: readWhole(retry, 'attempts', { min: 0, max: 100 }, defaultAttempts),
    statuses,
    backoffMs: readDurationMs(retry, 'backoff', defaultBackoffMs),
  }
}

/** What is right each for itself, and not together. */
function checkTogether(
  rule: Fields,
  { matches, filters, backends, requestTimeoutMs, backendTimeoutMs }: RuleFacts,
): void {
  if (filters.redirect !== undefined && backends.length > 0) {
    reportField(rule, 'backendRefs', 'are beside a RequestRedirect', 'keep one of them')
  }
  const edits = (one: FilterFacts) => [one.rewrite?.path?.type, one.redirect?.path?.type]
  const replacesPrefix = [filters, ...backends.map((backend) => backend.filters)].some((one) =>
    edits(one).includes('prefix'),
  )
  const [only] = matches
  if (replacesPrefix && (matches.length !== 1 || only?.path.type !== 'prefix')) {
    const fix = 'give the rule exactly one match, of type PathPrefix'
    reportField(rule, 'filters', 'have replacePrefixMatch, which needs a prefix', fix)
  }
  if (requestTimeoutMs > 0 && backendTimeoutMs > requestTimeoutMs) {
    const fix = 'make it no longer than timeouts.request'
    reportField(rule, 'timeouts.backendRequest', 'is longer than the whole request may take', fix)
  }
  if (hasField(rule, 'retry')) {
    reportField(rule, 'retry', 'is not supported yet', 'leave it out')
  }
  if (
    [filters, ...backends.map((backend) => backend.filters)].some(
      ({ mirrors }) => mirrors.length > 0,
    )
  ) {
    reportField(rule, 'filters', 'have a RequestMirror, which is not supported yet', 'leave it out')
  }
  if (hasField(rule, 'sessionPersistence')) {
    reportField(rule, 'sessionPersistence', 'is not supported', 'leave it out')
  }
}
