// Every way to name a destination leads through the node's proxy to the right pod, and both apps
// see the truth about who they talk to.
import assert from 'node:assert/strict'
import test from 'node:test'
import { type Asked, ask, startWho } from '../../src/lab/apps.ts'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import type { LabPod } from '../../src/lab/pod.ts'

const namespace = 'shop'

interface World {
  readonly lab: Lab
  readonly mesh: Mesh
  readonly client: LabPod
  readonly near: LabPod
  readonly far: LabPod
}

async function build(lab: Lab): Promise<World> {
  const ports = [{ name: 'who', port: 8080 }]
  const [client, near, far] = (await lab.addPods([
    { node: 'node1', namespace, name: 'client', labels: { app: 'client' } },
    { node: 'node1', namespace, name: 'near', labels: { app: 'server' }, ports },
    {
      node: 'node2',
      namespace,
      name: 'far',
      labels: { app: 'server' },
      ports: [{ name: 'who', port: 9090 }],
    },
  ])) as [LabPod, LabPod, LabPod]
  await Promise.all([
    startWho(near, 'near', 8080),
    startWho(far, 'far', 9090),
    startWho(near, 'near-extra', 8081),
    startWho(far, 'far-extra', 8081),
    startWho(client, 'client', 8080),
  ])
  const mesh = await startMesh(lab)
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'true' })
  await mesh.waitEnrolled([client, near, far])
  return { lab, mesh, client, near, far }
}

function named(answers: readonly Asked[]): readonly string[] {
  return [...new Set(answers.map((one) => (one.ok ? one.answer.name : one.error)))].sort()
}

/** Asks, and checks that every connection was redirected and what both ends saw of it. */
async function askThrough(
  { mesh }: World,
  from: LabPod,
  address: string,
  port: number,
  count: number,
): Promise<readonly Asked[]> {
  const before = await mesh.counter('connectRedirected')
  const answers = await ask(from, address, port, { count })
  const redirected = (await mesh.counter('connectRedirected')) - before
  assert.equal(redirected, count, 'each connection goes through the proxy')
  for (const answer of answers) {
    assert.ok(answer.ok, JSON.stringify(answer))
    const own = [from.addresses.v4, from.addresses.v6]
    const plain = address.replace('::ffff:', '')
    assert.deepEqual([answer.peer[0].replace('::ffff:', ''), answer.peer[1]], [plain, port])
    assert.ok(own.includes(answer.local[0].replace('::ffff:', '')), 'getsockname: its own address')
    assert.ok(own.includes(answer.answer.accept[0]), 'accept: the real client')
    assert.deepEqual(answer.answer.accept, answer.answer.peer, 'getpeername says the same')
  }
  return answers
}

test('destinations of every kind', async (t) => {
  await using lab = await createLab()
  const world = await build(lab)
  const { client, near, far } = world
  await using _mesh = world.mesh
  const selector = { app: 'server' }

  await t.test('a ClusterIP in both families, with a named port that differs by pod', async () => {
    const service = await lab.addService({
      name: 'named',
      namespace,
      selector,
      ports: [{ name: 'who', port: 80, targetPort: 'who' }],
    })
    for (const address of service.spec.clusterIPs) {
      assert.deepEqual(named(await askThrough(world, client, address, 80, 24)), ['far', 'near'])
    }
  })

  await t.test('several ports of one service lead to different servers', async () => {
    const service = await lab.addService({
      name: 'several',
      namespace,
      selector,
      ports: [
        { name: 'who', port: 80, targetPort: 'who' },
        { name: 'extra', port: 81, targetPort: 8081 },
      ],
    })
    const [address = ''] = service.spec.clusterIPs
    assert.deepEqual(named(await askThrough(world, client, address, 80, 16)), ['far', 'near'])
    assert.deepEqual(named(await askThrough(world, client, address, 81, 16)), [
      'far-extra',
      'near-extra',
    ])
  })

  await t.test('pod addresses, as a headless service gives them', async () => {
    for (const [pod, port] of [
      [near, 8080],
      [far, 9090],
    ] as const) {
      for (const address of [pod.addresses.v4, pod.addresses.v6 ?? '']) {
        assert.deepEqual(named(await askThrough(world, client, address, port, 2)), [pod.name])
      }
    }
  })

  await t.test('an IPv6 socket that asks for a v4-mapped address', async () => {
    const answers = await askThrough(world, client, `::ffff:${near.addresses.v4}`, 8080, 2)
    assert.deepEqual(named(answers), ['near'])
  })

  await t.test('a pod that is the only endpoint of the service it calls', async () => {
    const service = await lab.addService({
      name: 'own',
      namespace,
      selector: { app: 'client' },
      ports: [{ port: 80, targetPort: 8080 }],
    })
    for (const address of [...service.spec.clusterIPs, client.addresses.v4]) {
      const port = address === client.addresses.v4 ? 8080 : 80
      assert.deepEqual(named(await askThrough(world, client, address, port, 3)), ['client'])
    }
  })

  await t.test('same node: the server sees the very port that the client has', async () => {
    const [answer] = await askThrough(world, client, near.addresses.v4, 8080, 1)
    assert.ok(answer?.ok)
    assert.deepEqual(answer.answer.accept, answer.local)
  })

  await t.test(
    'a client that keeps its address keeps its server, where the service says so',
    async () => {
      const service = await lab.addService({
        name: 'sticky',
        namespace,
        selector,
        affinitySeconds: 60,
        ports: [{ port: 80, targetPort: 8081 }],
      })
      const [address = ''] = service.spec.clusterIPs
      assert.equal(named(await askThrough(world, client, address, 80, 24)).length, 1)
    },
  )

  await t.test(
    'loopback inside a pod is not touched, and reachable from nowhere else',
    async () => {
      await startWho(near, 'loopback', 7070, '127.0.0.1')
      const before = await world.mesh.counter('connectRedirected')
      const [inside] = await ask(near, '127.0.0.1', 7070)
      assert.ok(inside?.ok)
      assert.equal(await world.mesh.counter('connectRedirected'), before)
      const [outside] = await ask(client, near.addresses.v4, 7070)
      assert.equal(outside?.ok, false)
    },
  )

  await t.test('the node and the kubelet reach pods as before', async () => {
    const { node } = near
    for (const where of [node, node.kubelet]) {
      const [answer] = await ask(where, near.addresses.v4, 8080)
      assert.ok(answer?.ok, JSON.stringify(answer))
    }
  })
})
