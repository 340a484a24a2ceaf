// The proxy is killed, stopped, replaced and removed under traffic.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Asked, ask, startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld, type Trio } from './support/mesh-world.ts'
import { script } from './support/programs.ts'

const port = 8080

type Asking = ReturnType<typeof startAsking>

/** Resolves with the answers that came since, once there are that many. */
function moreAnswers(asking: Asking, count: number): Promise<readonly Asked[]> {
  const before = asking.answers().length
  return waitFor(
    `${count} more answers`,
    () => {
      const now = asking.answers()
      return now.length >= before + count && now.slice(before)
    },
    30_000,
  )
}

function failures(answers: readonly Asked[]): readonly Asked[] {
  return answers.filter(({ ok }) => !ok)
}

async function addServing(
  world: MeshWorld,
  namespace: string,
  mode: 'auto' | 'full',
): Promise<Trio> {
  const trio = await world.addTrio(namespace, mode)
  for (const pod of [trio.near, trio.far]) await startWho(pod, pod.name, port)
  return trio
}

async function enrolledAgain(world: MeshWorld, { client, near }: Trio): Promise<void> {
  const proxy = world.mesh.proxyOn('node1')
  await proxy.waitReady()
  await world.mesh.waitEnrolled([client, near])
}

test('a newer proxy takes over from the one that runs', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0, drainSeconds: 30 })
  const trio = await addServing(world, 'upgrade', 'auto')
  const { client, near } = trio
  const fresh = startAsking(client, near.addresses.v4, port, { patienceMs: 10_000 })
  const kept = startAsking(client, near.addresses.v4, port, { keep: true, patienceMs: 10_000 })
  await Promise.all([moreAnswers(fresh, 3), moreAnswers(kept, 3)])
  const proxy = world.mesh.proxyOn('node1')
  const old = proxy.process

  await t.test('no connection fails, and those of the old one go on', async () => {
    proxy.start()
    await waitFor('the old one to drain', () =>
      old.lines().some((line) => line.includes('"draining"')),
    )
    await enrolledAgain(world, trio)
    const before = await world.mesh.redirected()
    await Promise.all([moreAnswers(fresh, 20), moreAnswers(kept, 20)])
    assert.ok((await world.mesh.redirected()) - before >= 20)
    assert.equal(old.exit(), undefined, 'the old one still has a connection')
    assert.deepEqual(failures([...fresh.answers(), ...kept.answers()]), [])
  })

  await t.test('the old one ends when its last connection does', async () => {
    await kept.stop()
    assert.equal((await old.exited).status, 0)
    await moreAnswers(fresh, 10)
    assert.deepEqual(failures(fresh.answers()), [])
  })

  await t.test('the generation of the old one is free again', async () => {
    for (let round = 0; round < 5; round += 1) {
      const before = proxy.process
      proxy.start()
      await before.exited
      await enrolledAgain(world, trio)
    }
    await moreAnswers(fresh, 5)
    assert.deepEqual(failures(fresh.answers()), [])
  })
})

test('the proxy is killed', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const auto = await addServing(world, 'auto', 'auto')
  const full = await addServing(world, 'full', 'full')
  const proxy = world.mesh.proxyOn('node1')
  // Pairing is for sockets that do not block.
  const asynchronous = ['python3', script('who-async.py'), 'near', `${port + 1}`]
  await full.near.spawn(asynchronous).waitForLine(/^listening$/u)
  const spliced = startAsking(full.client, full.near.addresses.v4, port + 1, {
    keep: true,
    patienceMs: 10_000,
  })
  await moreAnswers(spliced, 3)
  await waitFor('the keeper to hold the pair', async () => {
    const { body } = await proxy.admin('/keeper?format=json')
    return (JSON.parse(body) as { pairs: number }).pairs >= 1
  })

  await t.test('connections that are paired in the kernel go on without it', async () => {
    await proxy.kill()
    await moreAnswers(spliced, 20)
    assert.deepEqual(failures(spliced.answers()), [])
  })

  await t.test('new connections go direct where the pod fails open', async () => {
    const { client, near } = auto
    await waitFor('a connection to go direct', async () => {
      const [answer] = await ask(client, near.addresses.v4, port)
      return answer?.ok === true
    })
    const answers = await ask(client, near.addresses.v4, port, { count: 10 })
    assert.deepEqual(failures(answers), [])
  })

  await t.test(
    'back again, it takes new connections and leaves the paired ones alone',
    async () => {
      proxy.start()
      await enrolledAgain(world, auto)
      const before = await world.mesh.redirected()
      const answers = await ask(auto.client, auto.near.addresses.v4, port, { count: 10 })
      assert.deepEqual(failures(answers), [])
      assert.ok((await world.mesh.redirected()) - before >= 10)
      await moreAnswers(spliced, 20)
      assert.deepEqual(failures(spliced.answers()), [])
    },
  )

  await t.test('the keeper is killed: another one has everything', async () => {
    const first = proxy.keeperPid()
    assert.ok(first !== undefined)
    process.kill(first, 'SIGKILL')
    await waitFor('another keeper', () => {
      const now = proxy.keeperPid()
      return now !== undefined && now !== first
    })
    const before = await world.mesh.redirected()
    const answers = await ask(auto.client, auto.far.addresses.v4, port, { count: 5 })
    assert.deepEqual(failures(answers), [])
    assert.ok((await world.mesh.redirected()) - before >= 5)
  })
})

test('connections that come while no proxy answers wait for it', async () => {
  await using world = await createMeshWorld({ accessLog: 0 })
  await world.mesh.config.changeSettings({ failureMode: 'closed' })
  const { client, near } = await addServing(world, 'waiting', 'auto')
  const { process: proxy } = world.mesh.proxyOn('node1')
  const asking = startAsking(client, near.addresses.v4, port, { patienceMs: 10_000 })
  await moreAnswers(asking, 3)
  // One question at a time: the first after the stop waits, and no other is asked before its
  // answer.
  proxy.kill('SIGSTOP')
  await waitFor('a connection to wait in the pod', async () => {
    const { stdout } = await client.exec(['ss', '--listening', '--tcp', '--no-header'])
    return stdout.split('\n').some((line) => Number(line.split(/\s+/u)[1]) > 0)
  })
  proxy.kill('SIGCONT')
  await moreAnswers(asking, 5)
  assert.deepEqual(failures(asking.answers()), [])
})

test('a pod that fails closed', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  await world.mesh.config.changeSettings({ failureMode: 'closed' })
  const trio = await addServing(world, 'closed', 'auto')
  const { client, near, far } = trio
  const proxy = world.mesh.proxyOn('node1')

  await t.test('is refused in both directions once its proxy is dead', async () => {
    await proxy.kill()
    for (const [from, to] of [
      [client, near],
      [far, near],
    ] as const) {
      await waitFor('a connection to be refused', async () => {
        const [answer] = await ask(from, to.addresses.v4, port, { patienceMs: 3_000 })
        return answer?.ok === false
      })
    }
  })

  await t.test('and served again when it is back', async () => {
    proxy.start()
    await enrolledAgain(world, trio)
    for (const from of [client, far]) {
      const answers = await ask(from, near.addresses.v4, port, { count: 5 })
      assert.deepEqual(failures(answers), [])
    }
  })
})

function pinsBelow(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : []
}

async function reach(from: LabPod, to: LabPod): Promise<readonly Asked[]> {
  return ask(from, to.addresses.v4, port, { count: 5 })
}

test('the proxy is stopped in order, and the mesh is removed from the node', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client, near } = await addServing(world, 'removal', 'auto')
  const proxy = world.mesh.proxyOn('node1')
  const fresh = startAsking(client, near.addresses.v4, port)
  await moreAnswers(fresh, 3)

  await t.test('stopped: nothing fails, new connections go direct', async () => {
    assert.equal((await proxy.kill('SIGTERM')).status, 0)
    await moreAnswers(fresh, 20)
    assert.deepEqual(failures(fresh.answers()), [])
  })

  await t.test('removed: no pin, keeper or state is left, and pods talk as ever', async () => {
    const removal = proxy.start({ args: ['--uninstall'] })
    assert.equal((await removal.exited).status, 0, removal.stderr())
    assert.deepEqual(pinsBelow(join(proxy.node.bpffs, 'sluice')), [])
    assert.equal(proxy.keeperPid(), undefined)
    assert.equal(existsSync(join(proxy.node.run, 'state')), false)
    assert.deepEqual(failures(await reach(client, near)), [])
    await moreAnswers(fresh, 5)
    assert.deepEqual(failures(fresh.answers()), [])
  })
})
