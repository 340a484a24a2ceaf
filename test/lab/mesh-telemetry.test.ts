// What metrics and logs say is what the programs did: connections and bytes, on both sides.
import assert from 'node:assert/strict'
import test from 'node:test'
import { ask, sendBytes, startAsking, startSink, startWho } from '../../src/lab/apps.ts'
import type { Metrics } from '../../src/lab/metrics.ts'
import type { LogLine } from '../../src/lab/node-proxy.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { istioLabelNames } from '../../src/nodeproxy/telemetry/labels.ts'
import { createMeshWorld, type MeshWorld } from './support/mesh-world.ts'

const opened = 'istio_tcp_connections_opened_total'
const closed = 'istio_tcp_connections_closed_total'
const sent = 'istio_tcp_sent_bytes_total'
const received = 'istio_tcp_received_bytes_total'

/** Resolves with the metrics of a node once that many connections have ended there. */
function whenClosed(
  world: MeshWorld,
  node: string,
  labels: Readonly<Record<string, string>>,
  count: number,
): Promise<Metrics> {
  return waitFor(`${count} connections to have ended on ${node}`, async () => {
    const metrics = await world.mesh.proxyOn(node).metrics()
    const now = metrics.sum(closed, labels)
    if (now !== count) throw new Error(`${now} have`)
    return metrics
  })
}

/**
 * Access lines of connections to this pod, once there are that many; they are written after
 * metrics.
 */
function accessLines(
  world: MeshWorld,
  node: string,
  pod: string,
  count: number,
): Promise<readonly LogLine[]> {
  return waitFor(`${count} access lines on ${node}`, () => {
    const lines = world.mesh.proxyOn(node).logs()
    const found = lines.filter((line) => line['log'] === 'access' && line['dst.pod'] === pod)
    return found.length === count && found
  })
}

test('metrics and access lines tell the truth', async (t) => {
  await using world = await createMeshWorld()
  const { client, near, far } = await world.addTrio('truth', 'auto')
  for (const pod of [near, far]) await startWho(pod, pod.name, 8080)

  await t.test('same node: one proxy reports for both sides, and one line is written', async () => {
    const answers = await ask(client, near.addresses.v4, 8080, { count: 7 })
    const metrics = await whenClosed(world, 'node1', { destination_workload: 'near' }, 14)
    for (const reporter of ['source', 'destination']) {
      const labels = { reporter, source_workload: 'client', destination_workload: 'near' }
      assert.equal(metrics.sum(opened, labels), 7)
      assert.equal(metrics.sum(closed, labels), 7)
      // A digit and a newline each.
      assert.equal(metrics.sum(received, labels), 14)
      assert.ok(metrics.sum(sent, labels) > 7 * 50)
    }
    assert.equal(answers.length, 7)
    const lines = await accessLines(world, 'node1', 'near', 7)
    const bytes = lines.reduce((sum, line) => sum + Number(line['bytes_recv']), 0)
    assert.equal(metrics.sum(sent, { reporter: 'source', destination_workload: 'near' }), bytes)
  })

  await t.test('two nodes: each reports for its side, and both say the same', async () => {
    await ask(client, far.addresses.v4, 8080, { count: 5 })
    const labels = { source_workload: 'client', destination_workload: 'far' }
    const here = await whenClosed(world, 'node1', labels, 5)
    const there = await whenClosed(world, 'node2', labels, 5)
    assert.equal(here.sum(closed, { ...labels, reporter: 'source' }), 5)
    assert.equal(there.sum(closed, { ...labels, reporter: 'destination' }), 5)
    for (const name of [opened, sent, received])
      assert.equal(here.sum(name, labels), there.sum(name, labels))
    await accessLines(world, 'node1', 'far', 5)
    const lines = await accessLines(world, 'node2', 'far', 5)
    assert.deepEqual(new Set(lines.map((line) => line['direction'])), new Set(['inbound']))
    assert.deepEqual(new Set(lines.map((line) => line['src.workload'])), new Set(['client']))
  })

  await t.test('every byte is counted, and every label is there', async () => {
    const bytes = 3_000_017
    await startSink(near, 9000)
    const before = await world.mesh.proxyOn('node1').metrics()
    await sendBytes(client, near.addresses.v4, 9000, bytes)
    const labels = { reporter: 'source', destination_workload: 'near' }
    const after = await whenClosed(world, 'node1', labels, before.sum(closed, labels) + 1)
    assert.equal(after.sum(received, labels) - before.sum(received, labels), bytes)
    const sample = after.samples.find(({ name }) => name === received)
    assert.deepEqual(Object.keys(sample?.labels ?? {}).sort(), [...istioLabelNames].sort())
  })

  await t.test('bytes of a connection count while it is open', async () => {
    await startWho(near, 'long', 8888)
    const asking = startAsking(client, near.addresses.v4, 8888, { keep: true })
    const labels = { reporter: 'source', destination_workload: 'near' }
    const before = await world.mesh.proxyOn('node1').metrics()
    await waitFor('its bytes to be counted', async () => {
      const metrics = await world.mesh.proxyOn('node1').metrics()
      assert.equal(metrics.sum(closed, labels), before.sum(closed, labels), 'it is open')
      return metrics.sum(received, labels) > before.sum(received, labels)
    })
    await asking.stop()
    await whenClosed(world, 'node1', labels, before.sum(closed, labels) + 1)
  })

  await t.test('a service is named on both sides', async () => {
    const server = await world.lab.addPod({
      node: 'node2',
      namespace: 'truth',
      name: 'behind',
      labels: { app: 'behind' },
    })
    await startWho(server, 'behind', 8080)
    const service = await world.lab.addService({
      name: 'shop',
      namespace: 'truth',
      selector: { app: 'behind' },
      ports: [{ port: 80, targetPort: 8080 }],
    })
    await world.mesh.waitEnrolled([server])
    await ask(client, service.spec.clusterIPs[0] ?? '', 80, { count: 2 })
    const labels = {
      destination_service: 'shop.truth.svc.cluster.local',
      destination_service_name: 'shop',
      destination_service_namespace: 'truth',
    }
    await whenClosed(world, 'node1', { ...labels, reporter: 'source' }, 2)
    await whenClosed(world, 'node2', { ...labels, reporter: 'destination' }, 2)
  })

  await t.test('the node tells how it is', async () => {
    const metrics = await world.mesh.proxyOn('node1').metrics()
    assert.equal(metrics.sum('sluice_pods', { state: 'enrolled' }), 2)
    assert.equal(metrics.sum('sluice_config_connected'), 1)
    assert.ok(metrics.sum('sluice_map_entries', { map: 'pods_by_netns' }) >= 2)
    assert.ok(metrics.sum('sluice_map_capacity', { map: 'origins' }) > 1_000)
    assert.ok(metrics.sum('sluice_kernel_events_total', { event: 'connect_redirected' }) >= 13)
    assert.ok(metrics.sum('sluice_heartbeat_age_seconds') < 60)
    assert.equal(metrics.sum('sluice_reactor_open_connections'), 0)
  })
})

test('what is logged follows the level and the part that is asked for', async () => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client, near } = await world.addTrio('quiet', 'auto')
  await startWho(near, 'near', 8080)
  const proxy = world.mesh.proxyOn('node1')
  const before = proxy.logs().length
  await ask(client, near.addresses.v4, 8080, { count: 3 })
  await whenClosed(world, 'node1', { reporter: 'source' }, 3)
  assert.deepEqual(proxy.logs().slice(before), [], 'access lines are off')
  const { status } = await proxy.admin('/log-level?level=fatal', 'POST')
  assert.equal(status, 200)
  assert.match((await proxy.admin('/log-level')).body, /fatal/u)
  assert.equal((await proxy.kill('SIGTERM')).status, 0)
  assert.deepEqual(proxy.logs().slice(before), [], 'and so is the rest')
})

test('what the admin port does not know, it says', async () => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const proxy = world.mesh.proxyOn('node1')
  assert.equal((await proxy.admin('/log-level?level=loud', 'POST')).status, 400)
  const { status, body } = await proxy.admin('/nothing')
  assert.equal(status, 404)
  for (const path of ['/pods', '/config', '/connections', '/counters', '/drain', '/enrolment']) {
    assert.ok(body.includes(path), path)
    if (path === '/drain') continue
    assert.equal((await proxy.admin(path)).status, 200)
    JSON.parse((await proxy.admin(`${path}?format=json`)).body)
  }
})
