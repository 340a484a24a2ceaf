import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { diffResources } from '../../../src/model/diff.ts'
import { type Resource, resourceName } from '../../../src/model/resources.ts'
import { emptyTable } from '../../../src/model/table.ts'
import { emptyTables } from '../../../src/model/tables.ts'
import { address, resources } from './arbitrary.ts'

test('a table is a map, and the tables before a change stay as they were', () => {
  const change = fc.uniqueArray(
    fc.tuple(fc.integer({ min: 0, max: 400 }).map(String), fc.option(fc.nat(), { nil: undefined })),
    { maxLength: 60, selector: ([key]) => key },
  )
  fc.assert(
    fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
      let table = emptyTable<number>()
      const map = new Map<string, number>()
      for (const pairs of changes) {
        const before = table
        const held = new Map(before.entries())
        table = table.with(new Map(pairs))
        for (const [key, value] of pairs) {
          if (value === undefined) map.delete(key)
          else map.set(key, value)
        }
        assert.deepEqual(new Map(table.entries()), map)
        assert.equal(table.size, map.size)
        assert.deepEqual(new Set(table.values()), new Set(map.values()))
        for (const [key, value] of map) assert.equal(table.get(key), value)
        assert.deepEqual(new Map(before.entries()), held)
      }
    }),
  )
})

test('a table that nothing changes stays the same object', () => {
  const table = emptyTable<number>().with(new Map([['a', 1]]))
  assert.equal(table.with(new Map()), table)
})

/** What the index must say, by looking at everything. */
function scan(all: readonly Resource[], ip: string) {
  const has = (each: { addresses: readonly { ip: string }[] }) =>
    each.addresses.some((one) => one.ip === ip)
  return {
    services: all
      .flatMap((each) => (each.type === 'service' && has(each) ? [each.key] : []))
      .sort(),
    workload: all
      .flatMap((each) =>
        each.type === 'workload' && !each.hostNetwork && has(each) ? [each.uid] : [],
      )
      .sort()[0],
  }
}

test('after any changes an address finds what has it', () => {
  fc.assert(
    fc.property(fc.array(resources, { maxLength: 5 }), address, (sets, asked) => {
      let tables = emptyTables
      let held: readonly Resource[] = []
      for (const next of sets) {
        tables = tables.with(diffResources(held, next))
        held = next
        const entry = tables.at(asked)
        const want = scan(held, asked.ip)
        assert.deepEqual(entry?.services.map(({ key }) => key) ?? [], want.services)
        assert.equal(entry?.workload?.uid, want.workload)
        assert.equal(entry === undefined, want.services.length === 0 && want.workload === undefined)
        assert.equal(tables.at({ ...asked, network: 'other' }), undefined)
        for (const each of held) assert.deepEqual(tables.resources.get(resourceName(each)), each)
        assert.equal(tables.resources.size, held.length)
      }
    }),
    { numRuns: 500 },
  )
})

test('a service without its endpoints answers to no address', () => {
  const settings = { network: 'default', ip: '10.96.0.1' }
  const service: Resource = {
    type: 'service',
    key: 'a/b',
    namespace: 'a',
    name: 'b',
    hostname: 'b',
    addresses: [settings],
    ports: [],
    endpoints: [],
    clientIpAffinitySeconds: 0,
    internalTrafficPolicy: 'cluster',
    externalTrafficPolicy: 'cluster',
    publishNotReadyAddresses: false,
    trafficDistribution: '',
  }
  const full = emptyTables.with({ upserts: [service], removals: [] })
  assert.equal(full.at(settings)?.services[0], service)
  const summary = full.with({ upserts: [{ ...service, endpointsOmitted: true }], removals: [] })
  assert.equal(summary.at(settings), undefined)
  assert.equal(summary.service('a/b')?.endpointsOmitted, true)
})
