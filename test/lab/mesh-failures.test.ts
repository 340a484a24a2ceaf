// What the mesh does when something is not there: an endpoint, an answer, the operator, a rule.
import assert from 'node:assert/strict'
import test from 'node:test'
import { type Asked, ask, startWho } from '../../src/lab/apps.ts'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import type { LogLine } from '../../src/lab/node-proxy.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'

const namespace = 'shop'

function names(answers: readonly Asked[]): readonly string[] {
  return [...new Set(answers.map((one) => (one.ok ? one.answer.name : one.error)))].sort()
}

/** The first access line, of now or later, that fits. */
function accessLine(
  mesh: Mesh,
  fits: (line: LogLine) => boolean,
  node = 'node1',
): Promise<LogLine> {
  const proxy = mesh.proxyOn(node)
  return waitFor('an access line', async () => {
    // Asking for metrics has the workers hand over their lines.
    await proxy.metrics()
    return proxy.logs().find((line) => line['log'] === 'access' && fits(line))
  })
}

async function addEnrolled(lab: Lab, mesh: Mesh, names: readonly string[]): Promise<LabPod[]> {
  const pods = await lab.addPods(
    names.map((name) => ({
      node: name.startsWith('far') ? 'node2' : 'node1',
      namespace,
      name,
      labels: { app: name.replace(/-.*/u, '') },
    })),
  )
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'true' })
  await mesh.waitEnrolled(pods)
  return pods
}

test('endpoints that fail', async (t) => {
  await using lab = await createLab()
  await using mesh = await startMesh(lab)
  const [client, up, down, silent, far] = (await addEnrolled(lab, mesh, [
    'client',
    'server-up',
    'server-down',
    'silent',
    'far',
  ])) as [LabPod, LabPod, LabPod, LabPod, LabPod]
  await startWho(up, 'up', 8080)
  const service = async (name: string, app: string): Promise<string> => {
    const made = await lab.addService({
      name,
      namespace,
      selector: { app },
      ports: [{ port: 80, targetPort: 8080 }],
    })
    return made.spec.clusterIPs[0] ?? ''
  }

  await t.test(
    'nothing listens at one: another one answers, and the app sees no failure',
    async () => {
      const address = await service('half', 'server')
      assert.deepEqual(names(await ask(client, address, 80, { count: 30 })), ['up'])
      const line = await accessLine(mesh, (one) => Number(one['attempts']) > 1)
      assert.equal(line['upstream'], `${up.addresses.v4}:8080`)
      const proxy = mesh.proxyOn('node1')
      assert.ok((await proxy.metrics()).sum('sluice_connect_retries_total') >= 1)
      // Each time for twice as long, so that on a slow machine too it is seen.
      await waitFor('the other one to be out', async () => {
        await ask(client, address, 80, { count: 4 })
        return (await proxy.metrics()).sum('sluice_endpoints_ejected') >= 1
      })
    },
  )

  await t.test('nothing listens at any: reset, with the reason in the log', async () => {
    const [answer] = await ask(client, await service('nobody', 'silent'), 80)
    assert.equal(answer?.ok, false)
    const line = await accessLine(mesh, (one) => String(one['dst.service']).startsWith('nobody.'))
    assert.equal(line['flags'], 'UF,URX')
    assert.match(String(line['error']), /ECONNREFUSED/u)
    assert.ok(String(line['error']).includes(silent.addresses.v4))
  })

  await t.test('nothing listens on the other node: its proxy says why', async () => {
    const [answer] = await ask(client, far.addresses.v4, 8080)
    assert.equal(answer?.ok, false)
    const here = await accessLine(mesh, (one) => one['dst.pod'] === 'far')
    assert.equal(here['flags'], 'UC')
    const there = await accessLine(mesh, (one) => one['direction'] === 'inbound', 'node2')
    assert.equal(there['flags'], 'UF')
    assert.match(String(there['error']), /ECONNREFUSED/u)
  })

  await t.test('no endpoint at all: refused at once', async () => {
    const [answer] = await ask(client, await service('empty', 'no-such-app'), 80)
    assert.equal(answer?.ok, false)
    const line = await accessLine(mesh, (one) => String(one['dst.service']).startsWith('empty.'))
    assert.equal(line['flags'], 'UH')
  })

  await t.test('a port that the service does not have: refused', async () => {
    const [answer] = await ask(client, await service('ports', 'server'), 4711)
    assert.equal(answer?.ok, false)
    const line = await accessLine(mesh, (one) => String(one['dst.addr']).endsWith(':4711'))
    assert.equal(line['flags'], 'NR')
  })

  await t.test('a port that nobody listens on in a pod: reset after the accept', async () => {
    const [answer] = await ask(client, down.addresses.v4, 9999)
    assert.equal(answer?.ok, false)
    const line = await accessLine(mesh, (one) => String(one['dst.addr']).endsWith(':9999'))
    assert.equal(line['flags'], 'UF')
  })

  await t.test('a drop between two pods holds, on one node and on two', async () => {
    await startWho(far, 'far', 8080)
    for (const target of [up, far]) {
      const allow = await lab.deny({ from: client, to: target, port: 8080 })
      const [denied] = await ask(client, target.addresses.v4, 8080, { patienceMs: 1_000 })
      assert.equal(denied?.ok, false, `${target.name} is behind a drop`)
      await allow()
      const [allowed] = await ask(client, target.addresses.v4, 8080)
      assert.ok(allowed?.ok, JSON.stringify(allowed))
    }
  })
})

test('behind a cut link, a new connection gives one attempt away', async () => {
  await using lab = await createLab()
  await using mesh = await startMesh(lab)
  const [client] = (await addEnrolled(lab, mesh, ['client'])) as [LabPod]
  const servers = await lab.addPods(
    ['node1', 'node2', 'node2', 'node2'].map((node, index) => {
      return { node, namespace, name: `spread-${index}`, labels: { app: 'spread' } }
    }),
  )
  await mesh.waitEnrolled(servers)
  for (const server of servers) await startWho(server, server.node.name, 8080)
  const ports = [{ port: 80, targetPort: 8080 }]
  const service = { name: 'spread', namespace, selector: { app: 'spread' }, ports }
  const { spec } = await lab.addService(service)
  const address = spec.clusterIPs[0] ?? ''
  await waitFor('answers of both nodes', async () => {
    return names(await ask(client, address, 80, { count: 10 })).join() === 'node1,node2'
  })
  await lab.cutLink(mesh.proxyOn('node2').node)
  const answers = await ask(client, address, 80, { count: 20, patienceMs: 30_000 })
  assert.deepEqual(names(answers), ['node1'])
  await accessLine(mesh, (one) => Number(one['attempts']) > 1)
  const lines = mesh.proxyOn('node1').logs()
  // An attempt is given up after 400 ms, and the next one is to another node.
  assert.equal(Math.max(...lines.map((line) => Number(line['attempts'] ?? 0))), 2)
})

test('destinations outside the mesh', async (t) => {
  await using lab = await createLab()
  await using mesh = await startMesh(lab)
  const host = await lab.addHost('outside')
  await startWho(host, 'outside', 8080)
  const [client] = (await addEnrolled(lab, mesh, ['client'])) as [LabPod]

  await t.test('pass through, and are counted', async () => {
    for (const address of [host.addresses.v4, host.addresses.v6 ?? '']) {
      assert.deepEqual(names(await ask(client, address, 8080, { count: 3 })), ['outside'])
    }
    const metrics = await waitFor('the connections to have ended', async () => {
      const now = await mesh.proxyOn('node1').metrics()
      return now.sum('sluice_passthrough_connections_total') === 6 && now
    })
    const labels = { destination_service_name: 'PassthroughCluster', reporter: 'source' }
    assert.equal(metrics.sum('istio_tcp_connections_closed_total', labels), 6)
  })

  await t.test('are refused where settings say so, and pass again afterwards', async () => {
    await mesh.config.changeSettings({ outside: 'refuse' })
    await waitFor('the setting to arrive', async () => {
      const [answer] = await ask(client, host.addresses.v4, 8080)
      return answer?.ok === false
    })
    const line = await accessLine(mesh, (one) => one['flags'] === 'NR')
    assert.match(String(line['error']), /outside/u)
    await mesh.config.changeSettings({ outside: 'allow' })
    await waitFor('the setting to arrive', async () => {
      const [answer] = await ask(client, host.addresses.v4, 8080)
      return answer?.ok === true
    })
  })
})

test('the operator is away', async (t) => {
  await using lab = await createLab()
  await using mesh = await startMesh(lab)
  const [client, server] = (await addEnrolled(lab, mesh, ['client', 'server'])) as [LabPod, LabPod]
  await startWho(server, 'server', 8080)
  const made = await lab.addService({
    name: 'known',
    namespace,
    selector: { app: 'server' },
    ports: [{ port: 80, targetPort: 8080 }],
  })
  const [address = ''] = made.spec.clusterIPs
  assert.deepEqual(names(await ask(client, address, 80, { count: 2 })), ['server'])
  await mesh.config.pause()

  await t.test('what is known is served', async () => {
    assert.deepEqual(names(await ask(client, address, 80, { count: 5 })), ['server'])
  })

  await t.test('what is not known passes as without a mesh', async () => {
    const late = await lab.addService({
      name: 'late',
      namespace,
      selector: { app: 'server' },
      ports: [{ port: 80, targetPort: 8080 }],
    })
    const [unknown = ''] = late.spec.clusterIPs
    assert.deepEqual(names(await ask(client, unknown, 80)), ['server'])
  })

  await t.test('a restart serves from disk', async () => {
    const proxy = mesh.proxyOn('node1')
    await proxy.kill('SIGTERM')
    proxy.start()
    await proxy.waitReady()
    await mesh.waitEnrolled([client, server])
    const before = await mesh.redirected()
    assert.deepEqual(names(await ask(client, address, 80, { count: 5 })), ['server'])
    assert.ok((await mesh.redirected()) - before >= 5)
    assert.equal((await proxy.metrics()).sum('sluice_config_from_disk'), 1)
  })

  await t.test('when it is back, changes arrive', async () => {
    await mesh.config.resume()
    await lab.setReady(server, false)
    await waitFor('the service to have no endpoint', async () => {
      const [answer] = await ask(client, address, 80)
      return answer?.ok === false
    })
  })
})
