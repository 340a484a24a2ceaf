// A pod whose processes are root and may configure its namespace: it harms nobody but itself.
import assert from 'node:assert/strict'
import test from 'node:test'
import { ask, startAsking, startWho, type WhoAnswer } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'
import { script } from './support/programs.ts'

const port = 8080

async function attack<T>(pod: LabPod, ...argv: readonly string[]): Promise<T> {
  const { stdout } = await pod.exec(['python3', script('hostile.py'), ...argv], {
    container: true,
    capabilities: ['NET_ADMIN', 'NET_RAW'],
    user: 0,
  })
  return JSON.parse(stdout) as T
}

test('root, NET_ADMIN and NET_RAW inside a pod', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client: hostile, near: server, far } = await world.addTrio('hostile', 'auto')
  const { client: victim } = await world.addTrio('victims', 'auto')
  for (const pod of [server, far]) await startWho(pod, pod.name, port)
  await startWho(hostile, 'hostile', port)
  const asking = startAsking(victim, server.addresses.v4, port)
  await waitFor('the victim to be served', () => asking.answers().length > 3)

  await t.test("the proxy's listeners answer nobody who was not sent to them", async () => {
    const answers = await attack<Record<string, string>>(hostile, 'listeners')
    assert.ok(Object.keys(answers).length >= 2, 'both directions have one')
    for (const [listener, answer] of Object.entries(answers)) {
      assert.ok(['reset', 'closed'].includes(answer), `${listener}: ${answer}`)
    }
    const { body } = await world.mesh.proxyOn('node1').admin('/connections?format=json')
    assert.ok(!body.includes('"fault"'))
  })

  await t.test('nothing can be bound beside them', async () => {
    const answers = await attack<Record<string, readonly string[]>>(hostile, 'share')
    for (const [listener, [beside]] of Object.entries(answers)) {
      assert.equal(beside, 'OSError', listener)
    }
    const [answer] = await ask(hostile, server.addresses.v4, port)
    assert.ok(answer?.ok, 'its own connections still go through the proxy')
  })

  await t.test('the ports that interception uses lead nowhere by themselves', async () => {
    const answers = await attack<Record<string, number>>(hostile, 'spread', hostile.addresses.v4)
    assert.equal(answers['answered'] ?? 0, 0, JSON.stringify(answers))
  })

  await t.test('it cannot pass for another pod', async () => {
    for (const target of [server, far]) {
      const { v4 } = target.addresses
      const forged = await attack<WhoAnswer | string>(
        hostile,
        'forge',
        victim.addresses.v4,
        v4,
        '8080',
      )
      if (typeof forged === 'string') continue
      assert.equal(forged.accept[0], hostile.addresses.v4)
      assert.equal(forged.peer[0], hostile.addresses.v4)
    }
  })

  await t.test('it cannot leave the mesh', async () => {
    const tried = await attack<Record<string, unknown>>(hostile, 'leave')
    assert.equal(tried['bpf'], -1)
    assert.deepEqual(tried['pins'], [])
    assert.equal(tried['netns'], -1)
    assert.equal(tried['cgroup2'], -1)
    const before = await world.mesh.redirected()
    const answers = await ask(hostile, server.addresses.v4, port, { count: 5 })
    assert.ok(answers.every(({ ok }) => ok))
    assert.ok((await world.mesh.redirected()) - before >= 5)
    const pods = await world.mesh.proxyOn('node1').podStatus()
    assert.equal(pods.find(({ uid }) => uid === hostile.uid)?.state, 'enrolled')
  })

  await t.test(
    "an address of another pod that it takes does not bring it that pod's traffic",
    async () => {
      await hostile.exec(['ip', 'address', 'add', `${server.addresses.v4}/32`, 'dev', 'lo'])
      const [answer] = await ask(victim, server.addresses.v4, port)
      assert.ok(answer?.ok)
      assert.equal(answer.answer.name, server.name)
    },
  )

  const enough = asking.answers().length + 10
  await waitFor('the victim to be served on', () => asking.answers().length >= enough)
  const failed = asking.answers().filter(({ ok }) => !ok)
  assert.deepEqual(failed, [], 'another pod noticed nothing of all this')
})
