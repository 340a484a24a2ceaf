import assert from 'node:assert/strict'
import test from 'node:test'
import type { HttpRule, ServiceRoutes } from '../../../../src/model/http-routes.ts'
import { createRouteTables } from '../../../../src/nodeproxy/route/route-tables.ts'
import { match, request, rule } from './builders.ts'

const web = 'shop/web'

function routes(rules: readonly HttpRule[], clients = ''): ServiceRoutes {
  return { type: 'routes', service: web, tables: [{ port: 80, clients, rules }] }
}

/** Each look at the clock is so much later; what is put off waits until the test lets it go on. */
function world(stepMs: number) {
  let nowMs = 0
  const later: (() => void)[] = []
  const tables = createRouteTables({
    nowMs: () => (nowMs += stepMs),
    later: (run) => void later.push(run),
  })
  const ruleOf = (path = '/', namespace = 'shop') =>
    tables.find(web, 80, namespace)?.index.find(request(path))?.value.name.rule
  return { tables, later, ruleOf }
}

const exact = (name: string, value: string) =>
  rule(name, { matches: [match({ path: { type: 'exact', value } })] })

test('few routes are in use at once, and gone at once', () => {
  const { tables, later, ruleOf } = world(0)
  tables.set(web, routes([rule('a')]))
  assert.deepEqual([ruleOf(), later.length, tables.size], ['a', 0, 1])
  tables.set(web, undefined)
  assert.deepEqual([ruleOf(), tables.size], [undefined, 0])
})

test('clients of a namespace with routes of its own have these, all others the rest', () => {
  const { tables, ruleOf } = world(0)
  const [own] = routes([rule('own')], 'crawl').tables
  const [all] = routes([rule('all')]).tables
  assert.ok(own && all)
  tables.set(web, { type: 'routes', service: web, tables: [all, own] })
  assert.deepEqual([ruleOf('/', 'crawl'), ruleOf('/', 'shop')], ['own', 'all'])
  assert.equal(tables.find(web, 81, 'shop'), undefined)
  tables.set(web, { type: 'routes', service: web, tables: [own] })
  assert.deepEqual([ruleOf('/', 'crawl'), ruleOf('/', 'shop')], ['own', undefined])
})

test('many are made a little at a time beside those in use, and then all are in use', () => {
  const { tables, later, ruleOf } = world(0.4)
  const many = (name: string) =>
    Array.from({ length: 50 }, (_, index) => exact(`${name}${index}`, `/${index}`))
  tables.set(web, routes(many('a')))
  let turns = 0
  for (let run = later.shift(); run !== undefined; run = later.shift()) {
    assert.equal(ruleOf('/7'), undefined)
    run()
    turns += 1
  }
  assert.ok(turns > 10, `${turns} turns`)
  assert.deepEqual([ruleOf('/7'), tables.making], ['a7', 0])
  tables.set(web, routes(many('b')))
  later.shift()?.()
  assert.deepEqual([ruleOf('/7'), ruleOf('/49')], ['a7', 'a49'])
  while (later.length > 0) later.shift()?.()
  assert.deepEqual([ruleOf('/7'), ruleOf('/49')], ['b7', 'b49'])
})

test('what is set while another is being made takes its place', () => {
  const { tables, later, ruleOf } = world(1)
  tables.set(web, routes([rule('a'), rule('b')]))
  tables.set(web, routes([rule('c')]))
  while (later.length > 0) later.shift()?.()
  assert.equal(ruleOf(), 'c')
  tables.set(web, routes([rule('d')]))
  tables.set(web, undefined)
  while (later.length > 0) later.shift()?.()
  assert.deepEqual([ruleOf(), tables.making], [undefined, 0])
})

test('who waits for services goes on when their routes are in use', () => {
  const { tables, later } = world(1)
  const done: string[] = []
  tables.whenMade([web], () => void done.push('none'))
  assert.deepEqual(done, ['none'])
  tables.set(web, routes([rule('a'), rule('b')]))
  tables.whenMade(['shop/other', web], () => void done.push('web'))
  tables.whenMade(['shop/other'], () => void done.push('other'))
  assert.deepEqual(done, ['none', 'other'])
  while (later.length > 0) later.shift()?.()
  assert.deepEqual(done, ['none', 'other', 'web'])
  tables.set(web, routes([rule('c')]))
  tables.whenMade([web], () => void done.push('gone'))
  tables.set(web, undefined)
  assert.equal(done.at(-1), 'gone')
})
