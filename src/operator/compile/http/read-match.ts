import {
  type Fields,
  readChoice,
  readObject,
  readObjects,
  readText,
  reportField,
  show,
} from '../../../model/fields.ts'
import type { HttpMatch, HttpPathMatch, HttpValueMatch } from '../../../model/http-routes.ts'
import { compileRegex } from '../../../model/linear-regex.ts'

const everything: HttpMatch = {
  path: { type: 'prefix', value: '' },
  method: '',
  headers: [],
  query: [],
}

const methods = [
  '',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
] as const

/** Without any, a rule matches everything. */
export function readMatches(rule: Fields): readonly HttpMatch[] {
  const matches = readObjects(rule, 'matches').map((fields) => ({
    path: readPath(readObject(fields, 'path')),
    method: readChoice(fields, 'method', methods, ''),
    headers: firstOfEach(readValues(fields, 'headers', (name) => name.toLowerCase())),
    query: firstOfEach(readValues(fields, 'queryParams', (name) => name)),
  }))
  return matches.length === 0 ? [everything] : matches
}

function readPath(fields: Fields): HttpPathMatch {
  const kinds = ['PathPrefix', 'Exact', 'RegularExpression'] as const
  const type = readChoice(fields, 'type', kinds, 'PathPrefix')
  const value = readText(fields, 'value', '/')
  if (type === 'RegularExpression') {
    return { type: 'regex', value: checkedRegex(fields, value) }
  }
  const wrong = ['//', '/./', '/../', '%2f', '%2F', '#'].find((part) => value.includes(part))
  if (!value.startsWith('/') || value.endsWith('/..') || value.endsWith('/.')) {
    reportField(
      fields,
      'value',
      `is ${show(value)}`,
      'give a path that begins with / and has no dots',
    )
  } else if (wrong !== undefined) {
    reportField(fields, 'value', `is ${show(value)}, with ${wrong}`, 'leave that out')
  }
  if (type === 'Exact') return { type: 'exact', value }
  return { type: 'prefix', value: value.endsWith('/') ? value.slice(0, -1) : value }
}

function readValues(
  fields: Fields,
  list: string,
  normal: (name: string) => string,
): readonly HttpValueMatch[] {
  return readObjects(fields, list).map((each) => {
    const name = normal(readText(each, 'name'))
    const value = readText(each, 'value')
    const type = readChoice(each, 'type', ['Exact', 'RegularExpression'], 'Exact')
    if (type === 'Exact') return { name, type: 'exact', value }
    return { name, type: 'regex', value: checkedRegex(each, value) }
  })
}

/** "Only the first entry with an equivalent name MUST be considered." */
function firstOfEach(all: readonly HttpValueMatch[]): readonly HttpValueMatch[] {
  return all.filter(({ name }, index) => all.findIndex((other) => other.name === name) === index)
}

function checkedRegex(fields: Fields, pattern: string): string {
  try {
    compileRegex(pattern)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    reportField(
      fields,
      'value',
      `is ${show(pattern)}: ${message}`,
      "write it in RE2's dialect, without back-references and look-ahead",
    )
  }
  return pattern
}
