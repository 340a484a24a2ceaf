// The first milliseconds of a pod: whoever connects before the agent has seen it meets the stated
// choice.
import assert from 'node:assert/strict'
import test from 'node:test'
import { type Asked, ask, startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld } from './support/mesh-world.ts'

const port = 8080
const namespace = 'early'

interface Early {
  readonly world: MeshWorld
  readonly client: LabPod
  /** Of no enrolled namespace: only the asking side's hooks are in play. */
  readonly server: LabPod
}

async function begin(unclassified: 'count' | 'refuse'): Promise<Early> {
  const world = await createMeshWorld({ accessLog: 0, settings: { unclassified } })
  const { client } = await world.addTrio(namespace, 'auto')
  const server = await world.lab.addPod({ node: 'node1', namespace: 'plain', name: 'server' })
  await startWho(server, 'server', port)
  return { world, client, server }
}

async function counters(world: MeshWorld): Promise<Readonly<Record<string, number>>> {
  return world.mesh.proxyOn('node1').counters()
}

function addPod({ lab }: MeshWorld, name: string): Promise<LabPod> {
  return lab.addPod({ node: 'node1', namespace, name })
}

/** A pod that appears while the agent does not run, and asks at once. */
async function askWhileStopped(
  { world, server }: Early,
  check: (answer: Asked | undefined) => void,
): Promise<LabPod> {
  const { process: proxy } = world.mesh.proxyOn('node1')
  proxy.kill('SIGSTOP')
  try {
    const pod = await addPod(world, 'unseen')
    const [answer] = await ask(pod, server.addresses.v4, port, { patienceMs: 3_000 })
    check(answer)
    return pod
  } finally {
    proxy.kill('SIGCONT')
  }
}

test('a pod whose first act is to connect', async () => {
  const { world, server } = await begin('count')
  await using _world = world
  const before = await counters(world)
  const pods = await Promise.all(['a', 'b', 'c', 'd'].map((name) => addPod(world, name)))
  for (const pod of pods) {
    const [answer] = await ask(pod, server.addresses.v4, port)
    assert.ok(answer?.ok, JSON.stringify(answer))
  }
  const now = await counters(world)
  const since = (name: string): number => (now[name] ?? 0) - (before[name] ?? 0)
  assert.equal(since('connectRedirected') + since('connectUnclassified'), pods.length)
  assert.ok(since('connectRedirected') > 0)
})

test('an agent that is late: connections are counted where settings say count', async () => {
  const early = await begin('count')
  await using _world = early.world
  const before = (await counters(early.world))['connectUnclassified'] ?? 0
  const pod = await askWhileStopped(early, (answer) =>
    assert.ok(answer?.ok, JSON.stringify(answer)),
  )
  assert.ok(((await counters(early.world))['connectUnclassified'] ?? 0) > before)
  await early.world.mesh.waitEnrolled([pod])
})

test('an agent that is late: connections are refused where settings say refuse', async () => {
  const early = await begin('refuse')
  await using _world = early.world
  const pod = await askWhileStopped(early, (answer) => {
    assert.equal(answer?.ok, false)
    assert.match(JSON.stringify(answer), /PermissionError/u)
  })
  await early.world.mesh.waitEnrolled([pod])
  const before = (await counters(early.world))['connectRedirected'] ?? 0
  const [answer] = await ask(pod, early.server.addresses.v4, port)
  assert.ok(answer?.ok, JSON.stringify(answer))
  assert.equal((await counters(early.world))['connectRedirected'], before + 1)
})

test('pods that end before the agent is done with them', async () => {
  const { world, client, server } = await begin('count')
  await using _world = world
  const asking = startAsking(client, server.addresses.v4, port)
  for (let round = 0; round < 5; round += 1) {
    const names = Array.from({ length: 10 }, (_, index) => `short-${round}-${index}`)
    const pods = await world.lab.addPods(names.map((name) => ({ node: 'node1', namespace, name })))
    await world.lab.removePod(...pods)
  }
  const proxy = world.mesh.proxyOn('node1')
  await waitFor('nothing to be left of them', async () => {
    const names = (await proxy.podStatus()).map(({ name }) => name)
    return !names.some((name) => name.startsWith('short'))
  })
  const metrics = await proxy.metrics()
  assert.equal(metrics.sum('sluice_pods', { state: 'enrolled' }), 2)
  const enough = asking.answers().length + 10
  await waitFor('the other pods to be unaffected', () => asking.answers().length >= enough)
  assert.deepEqual(
    asking.answers().filter(({ ok }) => !ok),
    [],
  )
})
