import { type FieldError, formatFieldError } from '../../../model/fields.ts'
import type { Unresolved } from './resolve-rule.ts'
import type { RuleFacts } from './route-facts.ts'

/** A condition without its times, which whoever writes it adds. */
export interface RouteCondition {
  readonly type: 'Accepted' | 'ResolvedRefs' | 'PartiallyInvalid' | 'sluice.dev/Live'
  readonly status: 'True' | 'False' | 'Unknown'
  readonly reason: string
  readonly message: string
}

/** Status messages may have 32 KiB. */
const maxMessage = 4_000

/** @param problem why it is not attached; empty where it is */
export function routeConditions(
  rules: readonly RuleFacts[],
  problem: string,
  unresolved: readonly Unresolved[],
  hasHostnames: boolean,
): readonly RouteCondition[] {
  const bad = rules.filter(({ errors }) => errors.length > 0)
  return [
    accepted(rules, bad, problem, hasHostnames),
    resolved(unresolved),
    ...(bad.length > 0 && bad.length < rules.length ? [partiallyInvalid(bad)] : []),
  ]
}

function accepted(
  rules: readonly RuleFacts[],
  bad: readonly RuleFacts[],
  problem: string,
  hasHostnames: boolean,
): RouteCondition {
  const type = 'Accepted'
  if (problem !== '') return { type, status: 'False', reason: 'NoMatchingParent', message: problem }
  if (bad.length === rules.length) {
    const isFilters = bad.every(({ errors }) => errors.every(isOfFilters))
    const reason = isFilters ? 'IncompatibleFilters' : 'UnsupportedValue'
    return { type, status: 'False', reason, message: shortened(words(bad)) }
  }
  const message = hasHostnames
    ? 'it is attached; spec.hostnames are ignored, as all requests to a Service are its own'
    : 'it is attached'
  return { type, status: 'True', reason: 'Accepted', message }
}

/** Each right for itself, and not together with another. */
function isOfFilters({ field }: FieldError): boolean {
  return field.endsWith('.filters') || field.endsWith('.backendRefs')
}

function resolved(unresolved: readonly Unresolved[]): RouteCondition {
  const type = 'ResolvedRefs'
  const [first] = unresolved
  if (first === undefined) {
    return {
      type,
      status: 'True',
      reason: 'ResolvedRefs',
      message: 'all references lead somewhere',
    }
  }
  const message = shortened([...new Set(unresolved.map((each) => each.message))].join('; '))
  return { type, status: 'False', reason: first.reason, message }
}

/** The specification wants these two words at the beginning. */
function partiallyInvalid(bad: readonly RuleFacts[]): RouteCondition {
  return {
    type: 'PartiallyInvalid',
    status: 'True',
    reason: 'UnsupportedValue',
    message: shortened(`Dropped Rule ${words(bad)}`),
  }
}

function words(bad: readonly RuleFacts[]): string {
  return bad
    .map(({ name, errors }) => `${name}: ${errors.map(formatFieldError).join('; ')}`)
    .join(' | ')
}

function shortened(text: string): string {
  return text.length <= maxMessage ? text : `${text.slice(0, maxMessage)}…`
}
