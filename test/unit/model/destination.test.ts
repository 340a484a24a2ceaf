import assert from 'node:assert/strict'
import test from 'node:test'
import { type Destination, destinationOf } from '../../../src/model/destination.ts'
import { emptyTables } from '../../../src/model/tables.ts'
import { address, pod, service } from './builders.ts'

const web = service('web', { addresses: ['10.96.0.1'], ports: [80, 443] })
const shared = service('a-shared', {
  addresses: ['10.96.0.2'],
  external: ['192.0.2.1'],
  ports: [80],
})
const other = service('b-shared', {
  addresses: ['10.96.0.3'],
  external: ['192.0.2.1'],
  ports: [443],
})
const onPod = service('on-pod', { addresses: ['10.96.0.4'], external: ['10.244.0.1'], ports: [80] })
const headless = service('headless', { ports: [5432] })
const db = pod('db', { addresses: ['10.244.0.1'], services: [headless.key, 'shop/not-sent'] })
const host = pod('host', { addresses: ['172.18.0.10'], hostNetwork: true })

const tables = emptyTables.with({
  upserts: [web, shared, other, onPod, headless, db, host],
  removals: [],
})

function show(destination: Destination): string {
  switch (destination.kind) {
    case 'service':
      return `${destination.service.name} port ${destination.port.port}`
    case 'noSuchPort':
      return `${destination.service.name} has no such port`
    case 'workload':
      return (
        `pod ${destination.workload.name} of ` +
        destination.services.map(({ name }) => name).join(' ')
      )
    default:
      return destination.kind
  }
}

const rows: readonly (readonly [string, number, string])[] = [
  ['10.96.0.1', 80, 'web port 80'],
  ['10.96.0.1', 443, 'web port 443'],
  ['10.96.0.1', 81, 'web has no such port'],
  // One external address, two services: the port decides, and ports of neither pass through.
  ['192.0.2.1', 80, 'a-shared port 80'],
  ['192.0.2.1', 443, 'b-shared port 443'],
  ['192.0.2.1', 22, 'outside'],
  // An external address that is a pod's: the service on its port, the pod on the others.
  ['10.244.0.1', 80, 'on-pod port 80'],
  ['10.244.0.1', 5432, 'pod db of headless'],
  // The node's own address is no pod's.
  ['172.18.0.10', 80, 'outside'],
  ['203.0.113.1', 80, 'outside'],
]

for (const [ip, port, outcome] of rows) {
  test(`${ip} port ${port}: ${outcome}`, () => {
    assert.equal(show(destinationOf(tables, address(ip), port)), outcome)
  })
}

test('an address of another network is outside', () => {
  assert.equal(destinationOf(tables, { network: 'other', ip: '10.96.0.1' }, 80).kind, 'outside')
})
