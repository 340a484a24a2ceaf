// The proxy is replaced by a newer one, stopped and removed, under traffic.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Asked, ask, startAsking } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'
import {
  addServing,
  askProxied,
  failures,
  moreAnswers,
  port,
  serveAllModes,
  servedAgain,
} from './support/restarts.ts'

test('a newer proxy takes over from the one that runs', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0, drainSeconds: 120 })
  const proxy = world.mesh.proxyOn('node1')
  const { trios, paired, proxied, fresh, all } = await serveAllModes(world)
  const old = proxy.process

  const noneFailed = (): void => {
    for (const asking of all) assert.deepEqual(failures(asking.answers()), [])
  }

  await t.test('no connection fails, and those of the old one go on', async () => {
    proxy.start()
    await waitFor('the old one to drain', () =>
      old.lines().some((line) => line.includes('"draining"')),
    )
    await servedAgain(world, trios)
    const before = await world.mesh.redirected()
    await moreAnswers(all, 5)
    assert.ok((await world.mesh.redirected()) - before >= 5)
    assert.equal(old.exit(), undefined, 'the old one still has a connection')
    noneFailed()
  })

  await t.test('the old one ends when its last connection does', async () => {
    await Promise.all([proxied.stop(), paired.stop()])
    assert.equal((await old.exited).status, 0)
    await moreAnswers(fresh, 3)
    noneFailed()
  })

  await t.test('the generation of the old one is free again', async () => {
    for (let round = 0; round < 3; round += 1) {
      const before = proxy.process
      proxy.start()
      await before.exited
      await servedAgain(world, trios)
    }
    await moreAnswers(fresh, 3)
    noneFailed()
  })
})

test('what is open when the time to drain is over goes on in the keeper', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0, drainSeconds: 1 })
  const proxy = world.mesh.proxyOn('node1')
  const { trios, proxied, all } = await serveAllModes(world)
  const [off, auto, full] = trios
  const kept = [auto, full].map((trio) => askProxied(trio ?? assert.fail()))
  const { client, near, far } = off ?? assert.fail()
  const keep = { intervalMs: 80, patienceMs: 30_000, keep: true }
  kept.push(startAsking(client, near.addresses.v4, port, keep))
  kept.push(startAsking(far, near.addresses.v4, port, keep))
  await moreAnswers(kept, 3)

  // In the second round the keeper has those of the first one already.
  for (const round of ['once', 'twice']) {
    await t.test(`a newer proxy takes over ${round}, and nothing fails`, async () => {
      const old = proxy.process
      proxy.start()
      assert.equal((await old.exited).status, 0, old.stderr())
      // They did not wait for its end: it has seen them go on.
      if (round === 'once') assert.ok(carriedOn(old.lines()) >= kept.length)
      await servedAgain(world, trios)
      await moreAnswers([...all, ...kept], 5)
      for (const asking of [...all, ...kept]) assert.deepEqual(failures(asking.answers()), [])
    })
  }

  await t.test('and ends in order when its client does', async () => {
    await Promise.all([...kept, proxied].map(async (asking) => asking.stop()))
    const left = () => proxy.process.lines().some((line) => line.includes('resetting what'))
    assert.equal(left(), false)
  })
})

/** Connections that the keeper had when the proxy that let go of them ended. */
function carriedOn(lines: readonly string[]): number {
  const said = lines.find((line) => line.includes('"the keeper goes on"')) ?? '{}'
  return (JSON.parse(said) as { readonly carriedOn?: number }).carriedOn ?? 0
}

function pinsBelow(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder, { recursive: true }).map(String) : []
}

async function reach(from: LabPod, to: LabPod): Promise<readonly Asked[]> {
  return ask(from, to.addresses.v4, port, { count: 5 })
}

test('the proxy is stopped in order, and the mesh is removed from the node', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client, near } = await addServing(world, 'auto')
  const proxy = world.mesh.proxyOn('node1')
  const fresh = startAsking(client, near.addresses.v4, port)
  await moreAnswers([fresh], 3)

  await t.test('stopped: nothing fails, new connections go direct', async () => {
    assert.equal((await proxy.kill('SIGTERM')).status, 0)
    await moreAnswers([fresh], 20)
    assert.deepEqual(failures(fresh.answers()), [])
  })

  await t.test('removed: no pin, keeper or state is left, and pods talk as ever', async () => {
    const removal = proxy.start({ args: ['--uninstall'] })
    assert.equal((await removal.exited).status, 0, removal.stderr())
    assert.deepEqual(pinsBelow(join(proxy.node.bpffs, 'sluice')), [])
    assert.equal(proxy.keeperPid(), undefined)
    assert.equal(existsSync(join(proxy.node.run, 'state')), false)
    assert.deepEqual(failures(await reach(client, near)), [])
    await moreAnswers([fresh], 5)
    assert.deepEqual(failures(fresh.answers()), [])
  })
})
