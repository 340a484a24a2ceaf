import assert from 'node:assert/strict'
import test from 'node:test'
import { isKind } from '../../../../src/lab/kube/objects.ts'
import { proxyRules } from '../../../../src/lab/kube/proxy-rules.ts'
import {
  nodeObject,
  podObject,
  type PodSpec,
  serviceObject,
} from '../../../../src/lab/kube/specs.ts'
import { createObjectStore } from '../../../../src/lab/kube/store.ts'
import { compile } from '../../../../src/operator/compile/compile.ts'

const one = { v4: '172.18.0.10', v6: 'fd00:172:18::a' }
const cidrs = { v4: '10.244.1.0/24', v6: 'fd00:10:244:1::/64' }

/** Two pods, one of them with another number for the named port, and a service over both. */
function smallStore() {
  const store = createObjectStore()
  store.put(nodeObject('node1', 'zone1', one, cidrs))
  for (const [index, port] of [8080, 9090].entries()) {
    const spec: PodSpec = {
      node: 'node1',
      name: `pod-${index}`,
      namespace: 'shop',
      labels: { app: 'server' },
      ports: [{ name: 'web', port }],
    }
    store.put(
      podObject(spec, {
        uid: `uid-${index}`,
        containerId: 'c',
        addresses: { v4: `10.244.1.${index + 2}`, v6: `fd00:10:244:1::${index + 2}` },
        nodeAddress: one.v4,
      }),
    )
  }
  const ports = [
    { name: 'web', port: 80, targetPort: 'web' },
    { name: 'admin', port: 81, targetPort: 'admin' },
  ]
  store.put(
    serviceObject(
      { name: 'server', namespace: 'shop', selector: { app: 'server' }, ports },
      0,
      true,
    ),
  )
  return store
}

test('a namespace comes with its first object, and the operator takes all objects', () => {
  const store = smallStore()
  assert.ok(store.get('Namespace', '', 'shop'))
  // The port that no pod has is the only thing it remarks on.
  const remarks = compile(store.list()).problems.map(
    ({ severity, message }) => `${severity} ${message}`,
  )
  assert.equal(remarks.length, 1)
  assert.match(remarks[0] ?? '', /^warning has port 81 "admin"/)
})

test('slices have a group for each set of resolved ports, and no port that a pod has not', () => {
  const slices = smallStore().list().filter(isKind('EndpointSlice'))
  const seen = slices.map(({ addressType, ports, endpoints }) => [
    addressType,
    ports.map(({ name, port }) => `${name} ${port}`).join(),
    endpoints.flatMap(({ addresses }) => addresses).join(),
  ])
  assert.deepEqual(seen, [
    ['IPv4', 'web 8080', '10.244.1.2'],
    ['IPv4', 'web 9090', '10.244.1.3'],
    ['IPv6', 'web 8080', 'fd00:10:244:1::2'],
    ['IPv6', 'web 9090', 'fd00:10:244:1::3'],
  ])
  assert.equal(new Set(slices.map(({ metadata }) => metadata.name)).size, 4)
})

test('watchers see each change with everything, until they leave', () => {
  const store = smallStore()
  const counts: number[] = []
  const leave = store.watch((objects) => counts.push(objects.length))
  const service = store.get('Service', 'shop', 'server')
  assert.ok(service)
  store.remove(service)
  store.remove(service)
  leave()
  store.put(service)
  // One service and its four slices are gone, once.
  assert.deepEqual(counts, [4])
})

test('rules of what is gone are deleted in the same transaction', () => {
  const store = smallStore()
  const rules = (previous?: ReturnType<typeof proxyRules>) => {
    const objects = store.list()
    return proxyRules(
      'node1',
      'IPv4',
      objects.filter(isKind('Service')),
      objects.filter(isKind('EndpointSlice')),
      previous,
    )
  }
  const before = rules()
  assert.match(before.text, /dnat to 10\.244\.1\.3:9090/)
  // No pod has that port: refused.
  assert.match(before.text, /no-endpoints \{ 10\.96\.0\.10 \. tcp \. 81 : goto reject-it \}/)
  const pod = store.get('Pod', 'shop', 'pod-1')
  assert.ok(pod)
  store.remove(pod)
  const after = rules(before)
  assert.doesNotMatch(after.text, /10\.244\.1\.3:9090/)
  assert.match(
    after.text,
    /delete chain ip kube-proxy endpoint-shop-server-tcp-80-10\.244\.1\.3-9090/,
  )
})
