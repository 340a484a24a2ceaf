// The compiled table against a matcher that is the specification's words, one after the other.
import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { HttpMatch, HttpRule, HttpValueMatch } from '../../../../src/model/http-routes.ts'
import type { RequestHead } from '../../../../src/nodeproxy/codecs/request-head.ts'
import { createTable, createTableBuilder } from '../../../../src/nodeproxy/route/table.ts'
import { portRoutes, request, rule } from './builders.ts'

interface Flat {
  readonly rule: HttpRule
  readonly match: HttpMatch
}

const rank = { exact: 0, regex: 1, prefix: 2 }

/** "Exact", then regular expressions, then the longest prefix; method; headers; query; order. */
function isBetter(a: HttpMatch, b: HttpMatch): boolean {
  const byPattern = a.path.value < b.path.value ? -1 : Number(a.path.value > b.path.value)
  const differences = [
    rank[a.path.type] - rank[b.path.type],
    b.path.value.length - a.path.value.length,
    a.path.type === 'regex' ? byPattern : 0,
    Number(a.method === '') - Number(b.method === ''),
    b.headers.length - a.headers.length,
    b.query.length - a.query.length,
  ]
  return (differences.find((difference) => difference !== 0) ?? 0) < 0
}

function holds({ path, method, headers, query }: HttpMatch, head: RequestHead): boolean {
  const parameters = new URLSearchParams((head.query ?? '').replaceAll('+', '%2B'))
  return (
    holdsPath(path, head.path) &&
    (method === '' || method === head.method) &&
    headers.every((each) => holdsValue(each, head.header(each.name))) &&
    query.every((each) => holdsValue(each, parameters.get(each.name) ?? undefined))
  )
}

function holdsPath({ type, value }: HttpMatch['path'], path: string): boolean {
  if (type === 'exact') return path === value
  // The patterns of this test are the same to both engines.
  if (type === 'regex') return new RegExp(`^(?:${value})$`).test(path)
  const [wanted, actual] = [value.split('/'), path.split('/')]
  return wanted.every((element, index) => actual[index] === element)
}

function holdsValue({ type, value }: HttpValueMatch, actual: string | undefined): boolean {
  if (actual === undefined) return false
  return type === 'exact' ? actual === value : new RegExp(`^(?:${value})$`).test(actual)
}

function naive(rules: readonly HttpRule[], head: RequestHead): HttpRule | undefined {
  let best: Flat | undefined
  for (const each of rules) {
    for (const one of each.matches) {
      if (!holds(one, head)) continue
      if (best === undefined || isBetter(one, best.match)) best = { rule: each, match: one }
    }
  }
  return best?.rule
}

const element = fc.constantFrom('a', 'b', 'ab', 'api', 'v1')
const path = fc.array(element, { maxLength: 4 }).map((all) => all.map((one) => `/${one}`).join(''))
const pattern = fc.constantFrom(
  '/a/.*',
  '/a/b/?',
  '/api/v[0-9]+(/.*)?',
  '/(a|b)/ab',
  '.*',
  '/a',
  '/a/b|/b/a',
  '/ab*/a',
  '/a/b{2}',
)
const values = fc.constantFrom('x', 'y', 'xy')
const valueMatches = (names: readonly string[]) =>
  fc
    .uniqueArray(
      fc.record({
        name: fc.constantFrom(...names),
        type: fc.constantFrom('exact' as const, 'exact' as const, 'regex' as const),
        value: fc.constantFrom('x', 'y', 'xy', 'x+'),
      }),
      { selector: ({ name }) => name, maxLength: 1 },
    )
    .map((all) => all.map((one) => (one.type === 'exact' ? one : { ...one, value: 'x.*' })))
const anyMatch = fc.record({
  path: fc.oneof(
    fc.record({ type: fc.constant('exact' as const), value: path.map((one) => one || '/') }),
    fc.record({ type: fc.constant('prefix' as const), value: path }),
    fc.record({ type: fc.constant('regex' as const), value: pattern }),
  ),
  method: fc.constantFrom('', '', '', 'GET', 'POST'),
  headers: valueMatches(['h1', 'h2', 'h3']),
  query: valueMatches(['q1', 'q2']),
})
const anyRules = fc
  .array(fc.array(anyMatch, { minLength: 1, maxLength: 3 }), { maxLength: 40, size: 'max' })
  .map((all) => all.map((matches, index) => rule(`r${index}`, { matches })))
const anyRequest = fc
  .record({
    path: fc
      .tuple(path, fc.constantFrom('', '/', '//a', 'x', '/bb'))
      .map((parts) => parts.join('')),
    method: fc.constantFrom('GET', 'POST', 'get'),
    headers: fc.dictionary(fc.constantFrom('h1', 'h2', 'h3'), values),
    query: fc.array(fc.tuple(fc.constantFrom('q1', 'q2', '%711'), values), { maxLength: 3 }),
  })
  .map(({ path, method, headers, query }) => {
    const text = query.map((pair) => pair.join('=')).join('&')
    return request(`${path.startsWith('/') ? '' : '/'}${path}${text === '' ? '' : `?${text}`}`, {
      method,
      headers,
    })
  })

test('the table finds what the words of the specification find', () => {
  let matched = 0
  fc.assert(
    fc.property(anyRules, fc.array(anyRequest, { minLength: 1, maxLength: 10 }), (rules, heads) => {
      const table = createTable(portRoutes(rules))
      for (const head of heads) {
        const found = table.index.find(head)
        assert.equal(found?.value.source, naive(rules, head))
        matched += Number(found !== undefined)
      }
    }),
    { numRuns: 400 },
  )
  assert.ok(matched > 400, `only ${matched} requests matched anything`)
})

test('a table made by steps from another is the same, and keeps the rules that are', () => {
  fc.assert(
    fc.property(anyRules, anyRules, anyRequest, (before, now, head) => {
      const previous = createTable(portRoutes(before))
      let turn = 0
      const builder = createTableBuilder(portRoutes(structuredClone(now)), previous, () => turn)
      let table = builder.step(0)
      while (table === undefined) {
        turn += 1
        table = builder.step(0)
      }
      assert.equal(table.index.find(head)?.value.name.rule, naive(now, head)?.name)
      for (const [key, compiled] of table.rules) {
        const old = previous.rules.get(key)
        const same = JSON.stringify(old?.source) === JSON.stringify(compiled.source)
        assert.equal(old === compiled, same)
      }
    }),
    { numRuns: 100 },
  )
})
