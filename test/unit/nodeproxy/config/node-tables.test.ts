import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { addressKey } from '../../../../src/model/names.ts'
import { type Resource, resourceName, type Service } from '../../../../src/model/resources.ts'
import { chooseEndpoints, serviceEndpoints } from '../../../../src/model/service-endpoints.ts'
import { emptyTables } from '../../../../src/model/tables.ts'
import { createNodeTables } from '../../../../src/nodeproxy/config/node-tables.ts'
import { endpointListOf } from '../../../../src/nodeproxy/flat/endpoint-list.ts'
import {
  endpointAt,
  factsAt,
  openServiceTable,
  uidAt,
} from '../../../../src/nodeproxy/flat/service-table.ts'
import * as arbitrary from '../../model/arbitrary.ts'
import { endpoint, pod, service } from '../../model/builders.ts'

const change = fc.record({ upserts: arbitrary.resources, removals: fc.array(fc.nat(20)) })

const byName = (resources: Iterable<Resource>) =>
  new Map([...resources].map((resource) => [resourceName(resource), resource]))

test('what was sent is what is held, and found by its addresses, as in the model', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 5 }), fc.array(arbitrary.address), (all, asked) => {
      const tables = createNodeTables()
      let model = emptyTables
      for (const { upserts, removals } of all) {
        const held = [...model.resources.entries()].map(([name]) => name)
        const gone = removals.flatMap((number) => held[number] ?? [])
        model = model.with({ upserts, removals: gone })
        tables.apply({ upserts, removals: gone })
      }
      assert.deepEqual(byName(tables.resources.values()), byName(model.resources.values()))
      assert.equal(tables.resources.size, model.resources.size)
      assert.deepEqual(
        [...tables.resources.names()].sort(),
        [...model.resources.entries()].map(([name]) => name).sort(),
      )
      for (const address of asked) {
        const [mine, theirs] = [tables.at(address), model.at(address)]
        const keys = (entry: typeof theirs | typeof mine) => entry?.services.map(({ key }) => key)
        assert.deepEqual(keys(mine), keys(theirs), addressKey(address))
        assert.deepEqual(mine?.workload, theirs?.workload)
      }
    }),
    { numRuns: 50 },
  )
})

test('a table knows of every endpoint what its workload says, also when that changes alone', () => {
  fc.assert(
    fc.property(
      fc.array(arbitrary.resources, { minLength: 1, maxLength: 4 }),
      fc.boolean(),
      (deltas, withoutOne) => {
        const tables = createNodeTables()
        for (const upserts of deltas) {
          // As the operator says it: a workload names the services that have it.
          tables.apply({ upserts: upserts.map((one) => naming(one)), removals: [] })
        }
        if (withoutOne) tables.apply({ upserts: [], removals: ['workload/c/Pod/shop/p1'] })
        for (const { key } of services(tables.resources.values())) {
          const table = openServiceTable(tables.serviceTable(key) ?? assert.fail())
          for (let index = 0; index < table.count; index += 1) {
            const uid = endpointAt(table, index).workload
            assert.equal(uidAt(table, index), uid)
            const known = tables.workload(uid)
            const { addresses: _, node: __, locality: ___, ready: ____, ...facts } = known ?? {}
            assert.deepEqual(factsAt(table, index) ?? {}, facts)
          }
        }
      },
    ),
  )
})

function* services(resources: Iterable<Resource>): Generator<Service> {
  for (const resource of resources) if (resource.type === 'service') yield resource
}

function naming(resource: Resource): Resource {
  if (resource.type !== 'workload') return resource
  return { ...resource, services: [0, 1, 2, 3, 4].map((index) => `shop/s${index}.shop.svc`) }
}

test('the choice among the endpoints of a table is that among the endpoints themselves', () => {
  const ask = fc.record({
    address: arbitrary.address,
    port: fc.constantFrom(80, 443),
    node: arbitrary.nodeName,
    zone: fc.constantFrom('z0', 'z1'),
  })
  fc.assert(
    fc.property(arbitrary.service, ask, (one, asked) => {
      const tables = createNodeTables()
      tables.apply({ upserts: [one], removals: [] })
      const table = openServiceTable(tables.serviceTable(one.key) ?? assert.fail())
      const expected = serviceEndpoints(one, asked)
      const chosen = chooseEndpoints(one, endpointListOf(table), asked)
      if (chosen.kind === 'refused') {
        assert.deepEqual(chosen, expected)
        return
      }
      assert.ok(expected.kind === 'targets')
      assert.deepEqual(
        chosen.indexes.map((index) => endpointAt(table, index)),
        expected.targets.map((target) => target.endpoint),
      )
    }),
  )
})

test('names of any form: with and without an end of their own, long, and not in ASCII', () => {
  const names = ['web-7d9f8c6b5-x7k2p', 'web-0', 'web', 'a-', 'web-very-long-ending', 'wéb-é', '-']
  const pods = names.map((name, index) => pod(name, { addresses: [`10.0.0.${index}`] }))
  const tables = createNodeTables()
  tables.apply({ upserts: pods, removals: [] })
  for (const [index, each] of pods.entries()) {
    assert.deepEqual(tables.workload(each.uid), each)
    assert.deepEqual(tables.at({ network: 'default', ip: `10.0.0.${index}` })?.workload, each)
  }
  assert.equal(tables.workload('c/Pod/shop/web-7d9f8c6b5-x7k2q'), undefined)
})

test('addresses of any kind find their workload', () => {
  const both = ['10.0.0.1', 'fd00::1']
  const forms = [both, [...both].reverse(), ['10.0.0.1', '10.0.0.2', '10.0.0.3'], []]
  for (const addresses of forms) {
    const tables = createNodeTables()
    const one = pod('web-0', { addresses })
    tables.apply({ upserts: [one], removals: [] })
    for (const ip of addresses) {
      assert.deepEqual(tables.at({ network: 'default', ip })?.workload, one)
      assert.equal(tables.at({ network: 'other', ip }), undefined)
    }
    tables.apply({ upserts: [], removals: [`workload/${one.uid}`] })
    for (const ip of addresses) assert.equal(tables.at({ network: 'default', ip }), undefined)
  }
})

test('many come and go, and what is left is found', () => {
  const tables = createNodeTables()
  const name = (index: number) => `web-${index}`
  const ip = (index: number) => `10.1.${index >> 8}.${index & 255}`
  const pods = Array.from({ length: 3_000 }, (_, index) =>
    pod(name(index), { addresses: [ip(index)] }),
  )
  for (const each of pods) tables.apply({ upserts: [each], removals: [] })
  const removals = pods.filter((_, index) => index % 3 > 0).map(({ uid }) => `workload/${uid}`)
  tables.apply({ upserts: [], removals })
  for (const [index, each] of pods.entries()) {
    const left = index % 3 > 0 ? undefined : each
    assert.deepEqual(tables.workload(each.uid), left)
    assert.deepEqual(tables.at({ network: 'default', ip: ip(index) })?.workload, left)
  }
})

test('a change of one workload makes the tables of its services anew, and no others', () => {
  const tables = createNodeTables()
  const web = service('web', { endpoints: [endpoint('10.0.0.1', { workload: 'c/Pod/shop/a' })] })
  const other = service('other', { endpoints: [] })
  const a = pod('a', { addresses: ['10.0.0.1'], services: [web.key] })
  tables.apply({ upserts: [web, other], removals: [] })
  assert.deepEqual(tables.apply({ upserts: [a], removals: [] }), [web.key])
  // Whether it is ready is the service's to say.
  assert.deepEqual(tables.apply({ upserts: [{ ...a, ready: !a.ready }], removals: [] }), [])
  assert.deepEqual(tables.apply({ upserts: [], removals: [`workload/${a.uid}`] }), [web.key])
})
