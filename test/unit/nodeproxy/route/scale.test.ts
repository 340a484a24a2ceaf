// What a lookup looks at, counted: it must not grow with the number of routes.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { HttpMatch } from '../../../../src/model/http-routes.ts'
import { route } from '../../../../src/nodeproxy/route/route.ts'
import { createDraw } from '../../../../src/nodeproxy/route/draw.ts'
import { createTable, createTableBuilder } from '../../../../src/nodeproxy/route/table.ts'
import { match, portRoutes, request, rule } from './builders.ts'

type Shape = (index: number) => Partial<HttpMatch>

const header = (name: string, value: string) => ({ name, type: 'exact' as const, value })

const shapes: Readonly<Record<string, Shape>> = {
  'exact paths': (index) => ({ path: { type: 'exact', value: `/a/${index}` } }),
  'prefixes beside each other': (index) => ({ path: { type: 'prefix', value: `/a/${index}` } }),
  'a header each': (index) => ({ headers: [header('x-user', `u${index}`)] }),
  'a header each, and one that all share': (index) => ({
    headers: [header('x-env', 'prod'), header('x-user', `u${index}`)],
  }),
  'a parameter each': (index) => ({ query: [header('user', `u${index}`)] }),
  'an expression each': (index) => ({ path: { type: 'regex', value: `/a/${index}/[a-z]+` } }),
}

function readsOf(shape: Shape, count: number, wanted: number): number {
  const rules = Array.from({ length: count }, (_, index) =>
    rule(String(index), { matches: [match(shape(index))] }),
  )
  const table = createTable(portRoutes(rules))
  let reads = 0
  const isDeep = shape(0).path?.type === 'regex'
  const head = request(`/a/${wanted}${isDeep ? '/x' : ''}?user=u${wanted}`)
  const headers: Readonly<Record<string, string>> = { 'x-user': `u${wanted}`, 'x-env': 'prod' }
  const counted = {
    ...head,
    get path() {
      reads += 1
      return head.path
    },
    get query() {
      reads += 1
      return head.query
    },
    header(name: string) {
      reads += 1
      return headers[name]
    },
  }
  const found = table.index.find(counted)
  assert.equal(found?.value.name.rule, String(wanted))
  return reads
}

for (const [what, shape] of Object.entries(shapes)) {
  test(`${what}: 10,000 are looked at as 10 are`, () => {
    assert.equal(readsOf(shape, 10_000, 7_777), readsOf(shape, 10, 7))
  })
}

test('10,000 routes are made in many short steps, the old table in use meanwhile', () => {
  const rules = (version: string) =>
    Array.from({ length: 10_000 }, (_, index) =>
      rule(String(index), {
        matches: [match({ headers: [header('x-user', `u${index}`)] })],
        backends: [{ service: `shop/${version}`, port: 80, weight: 1 }],
      }),
    )
  const before = createTable(portRoutes(rules('v1')))
  const head = request('/', { headers: { 'x-user': 'u5000' } })
  const draw = createDraw(() => 0)
  const serviceOf = (table: typeof before) => {
    const sent = route(table, head, draw)
    return sent.action === 'forward' ? sent.backend.service : sent.cause
  }
  const builder = createTableBuilder(portRoutes(rules('v2')), before, () => 1)
  let steps = 0
  let after: typeof before | undefined
  while (after === undefined) {
    assert.equal(serviceOf(before), 'shop/v1')
    after = builder.step(0)
    steps += 1
  }
  assert.equal(serviceOf(after), 'shop/v2')
  // One a rule, and one for each 64 candidates of each pass over the one path that all have.
  assert.ok(steps > 10_000, String(steps))
})
