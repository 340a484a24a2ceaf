// Traffic of enrolled pods does not pass kube-proxy, so its semantics are ours to keep. Each row is
// a situation, where kube-proxy's outcome is documented, that outcome, and ours where it is
// another.
import assert from 'node:assert/strict'
import test from 'node:test'
import { addresses, affinity, ports, slices } from './service-address-rows.ts'
import { policies, readiness, topology } from './service-endpoint-rows.ts'
import { follow } from './service-situations.ts'

for (const row of [
  ...readiness,
  ...policies,
  ...topology,
  ...ports,
  ...slices,
  ...addresses,
  ...affinity,
]) {
  const { situation, source, is, connect = {}, kubeProxy, ours } = row
  test(`${situation} (${source})`, () => {
    const { outcome, trace } = follow(is, connect)
    assert.equal(outcome, ours?.outcome ?? kubeProxy, trace)
  })
}
