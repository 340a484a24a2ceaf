import assert from 'node:assert/strict'
import test from 'node:test'
import { istioLabelNames, istioLabels } from '../../../../src/nodeproxy/telemetry/labels.ts'
import { workload } from '../l4/support.ts'

const nothing = {
  reporter: 'source',
  source: undefined,
  destination: undefined,
  service: undefined,
  outside: false,
  flags: '-',
} as const

test('every label of the set is there, and what is not known is unknown', () => {
  const labels = istioLabels(nothing)
  assert.deepEqual(Object.keys(labels), [...istioLabelNames])
  for (const name of istioLabelNames) assert.notEqual(labels[name], '')
  assert.equal(labels.source_workload, 'unknown')
  assert.equal(labels.destination_service, 'unknown')
  assert.equal(labels.source_principal, 'unknown')
})

test('both ends are named by their owners, and the service by its host', () => {
  const labels = istioLabels({
    ...nothing,
    reporter: 'destination',
    source: workload('shop', '10.0.0.1'),
    destination: { ...workload('cart', '10.0.0.2'), owner: '' },
    service: {
      key: 'ns/cart.ns.svc.cluster.local',
      namespace: 'ns',
      name: 'cart',
      hostname: 'cart.ns.svc.cluster.local',
    },
  })
  assert.equal(labels.source_workload, 'shop-deployment')
  assert.equal(labels.destination_workload, 'cart', 'a pod without owner names itself')
  assert.equal(labels.destination_service, 'cart.ns.svc.cluster.local')
  assert.equal(labels.destination_service_name, 'cart')
  assert.equal(labels.connection_security_policy, 'none')
})

test('what passes through has the name that Kiali knows', () => {
  const labels = istioLabels({ ...nothing, outside: true })
  assert.equal(labels.destination_service_name, 'PassthroughCluster')
  assert.equal(labels.connection_security_policy, 'unknown')
})
