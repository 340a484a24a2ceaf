import assert from 'node:assert/strict'
import test from 'node:test'
import { createAddressGate } from '../../../../src/nodeproxy/lifecycle/address-gate.ts'
import { createRouteTables } from '../../../../src/nodeproxy/route/route-tables.ts'
import { service, viewOf } from '../l4/support.ts'
import { rule } from '../route/builders.ts'

const web = 'shop/web'
const place = { node: 'node1', zone: '' }
const view = viewOf(service('v1', '', []), place)

/** Routes of two rules, of which the second is made when the test says so. */
function world() {
  let nowMs = 0
  const later: (() => void)[] = []
  const routes = createRouteTables({
    nowMs: () => (nowMs += 1),
    later: (run) => void later.push(run),
  })
  const told: string[] = []
  const gate = createAddressGate(
    {
      setAddress: (ip, answer) =>
        void told.push(`${answer === undefined ? 'forget' : 'address'} ${ip}`),
      setService: (key, now) =>
        void told.push(`${now === undefined ? 'forget' : 'service'} ${key}`),
    },
    routes,
    { settled: (ip) => void told.push(`settled ${ip}`) },
  )
  const rules = [rule('a'), rule('b')]
  return {
    gate,
    begin: () =>
      routes.set(web, { type: 'routes', service: web, tables: [{ port: 80, clients: '', rules }] }),
    finish() {
      while (later.length > 0) later.shift()?.()
    },
    take: () => told.splice(0),
  }
}

const answer = { services: [{ key: web, external: false }], workload: '' }

test('an address is known once the routes of its service are in use', () => {
  const w = world()
  w.gate.set('10.0.0.1', answer)
  assert.deepEqual(w.take(), ['address 10.0.0.1', 'settled 10.0.0.1'])
  w.begin()
  w.gate.set('10.0.0.2', answer)
  assert.deepEqual(w.take(), [])
  w.finish()
  assert.deepEqual(w.take(), ['address 10.0.0.2', 'settled 10.0.0.2'])
})

test('what is forgotten while it waits stays so', () => {
  const w = world()
  w.begin()
  w.gate.set('10.0.0.1', answer)
  w.gate.set('10.0.0.1', undefined)
  w.finish()
  assert.deepEqual(w.take(), ['forget 10.0.0.1'])
})

test('a service that routes have led to goes once others are in use, or stays', () => {
  const w = world()
  w.gate.setService('shop/v1', view)
  w.begin()
  w.gate.setService('shop/v1', undefined)
  assert.deepEqual(w.take(), ['service shop/v1'])
  w.finish()
  assert.deepEqual(w.take(), ['forget shop/v1'])
  w.begin()
  w.gate.setService('shop/v1', undefined)
  w.gate.setService('shop/v1', view)
  w.finish()
  assert.deepEqual(w.take(), ['service shop/v1'])
})
