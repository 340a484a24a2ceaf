import type { HttpMatch, HttpValueMatch } from '../../model/http-routes.ts'
import { lazyRegex } from '../../model/linear-regex.ts'
import { queryValue } from './query.ts'
import type { RequestHead } from '../codecs/request-head.ts'

/** One condition besides the path. */
export interface Predicate {
  /** What of the request it looks at: `method`, `header x-user`, `query id`. */
  readonly subject: Subject
  /** Undefined: it is no comparison with one value. */
  readonly value: string | undefined
  holds(actual: string | undefined): boolean
}

export interface Subject {
  /** Two subjects of one id are the same. */
  readonly id: string
  read(head: RequestHead): string | undefined
}

/** All that a match asks besides its path. */
export function predicatesOf({ method, headers, query }: HttpMatch): readonly Predicate[] {
  return [
    ...(method === '' ? [] : [exactly(methodSubject, method)]),
    ...headers.map((match) => ofValue(headerSubject(match.name), match)),
    ...query.map((match) => ofValue(querySubject(match.name), match)),
  ]
}

const methodSubject: Subject = { id: 'method', read: (head) => head.method }

function headerSubject(name: string): Subject {
  return { id: `header ${name}`, read: (head) => head.header(name) }
}

function querySubject(name: string): Subject {
  return { id: `query ${name}`, read: (head) => queryValue(head.query, name) }
}

function ofValue(subject: Subject, { type, value }: HttpValueMatch): Predicate {
  if (type === 'exact') return exactly(subject, value)
  const regex = lazyRegex(value)
  return {
    subject,
    value: undefined,
    holds: (actual) => actual !== undefined && regex.matches(actual),
  }
}

function exactly(subject: Subject, value: string): Predicate {
  return { subject, value, holds: (actual) => actual === value }
}
