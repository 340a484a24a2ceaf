// kill -9 of the proxy, of the keeper and of both, under load. What the mesh owes then is in
// docs/restarts.md; here is what it does.
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { type Asked, ask, startAsking } from '../../src/lab/apps.ts'
import type { LabNodeProxy } from '../../src/lab/node-proxy.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld, type Trio } from './support/mesh-world.ts'
import {
  addServing,
  askAnew,
  type Asking,
  askPaired,
  askProxied,
  assertCutByReset,
  backAt,
  failures,
  type Gap,
  killAndRestart,
  moreAnswers,
  nothingStays,
  port,
  serveAllModes,
  servedAgain,
  unexplained,
} from './support/restarts.ts'

type Returned = Awaited<ReturnType<typeof killAndRestart>>

/** Beats are believed in for so long, unless a test says otherwise. */
const beatMaxAgeMs = 500
const rounds = process.env.SLUICE_SOAK === '1' ? 20 : 2

async function keeperHolds(world: MeshWorld, pairs: number): Promise<void> {
  const proxy = world.mesh.proxyOn('node1')
  await waitFor('the keeper to hold the pairs', async () => {
    const { body } = await proxy.admin('/keeper?format=json')
    return (JSON.parse(body) as { pairs: number }).pairs >= pairs
  })
}

test('the proxy is killed again and again under load, and started at once', async (t) => {
  // A slow machine takes longer than the keeper would wait; new connections go direct by then.
  const args = ['--give-up-after-ms', '600000']
  await using world = await createMeshWorld({ accessLog: 0, logLevel: 'debug', args })
  const proxy = world.mesh.proxyOn('node1')
  const { trios, paired, proxied, fresh, all } = await serveAllModes(world)
  const gaps: Returned[] = []
  for (let round = 0; round < rounds; round += 1) {
    await keeperHolds(world, 1)
    gaps.push(await killAndRestart(proxy))
    await servedAgain(world, trios)
    await moreAnswers(all, 5)
  }
  tellGaps(t, gaps)

  await t.test('no connection that came meanwhile failed', () => {
    for (const asking of fresh) assert.deepEqual(unexplained(asking.answers(), gaps), [])
  })

  await t.test('the one that it proxied ended with a reset', () => assertCutByReset(proxied))

  await t.test('the one that is paired in the kernel went on', () => {
    assert.deepEqual(failures(paired.answers()), [])
  })

  await t.test('it serves again, and nothing stays behind', async () => {
    const redirected = await world.mesh.redirected()
    await moreAnswers(fresh, 3)
    assert.ok((await world.mesh.redirected()) > redirected)
    await Promise.all(all.map((asking) => asking.stop()))
    await nothingStays(proxy)
  })
})

/** For docs/restarts.md; how long it took is no outcome of a test. */
function tellGaps(t: TestContext, gaps: readonly Returned[]): void {
  const tell = gaps.map((gap) => `${Math.round(gap.backAt - gap.killedAt)} ms`)
  t.diagnostic(`from the kill to the next beat: ${tell.join(', ')}`)
}

/** A question from each pod to each that is served, all put now. */
function askAll(pairs: readonly (readonly [LabPod, LabPod])[]): Asking[] {
  return pairs.map(([from, to]) =>
    startAsking(from, to.addresses.v4, port, { count: 1, patienceMs: 60_000 }),
  )
}

async function oneAnswer(asking: Asking): Promise<Asked> {
  await asking.exited
  const [answer] = asking.answers()
  if (answer === undefined) throw new Error(`no answer: ${asking.stderr()}`)
  return answer
}

/** Connections that nobody has accepted, at listeners of this pod that only the hooks lead to. */
async function waiting(pod: LabPod): Promise<number> {
  const { stdout } = await pod.exec(['ss', '--listening', '--tcp', '--no-header'])
  const loopback = stdout.split('\n').filter((line) => /\s(127\.0\.0\.1|\[::1\]):/u.test(line))
  return loopback.reduce((sum, line) => sum + Number(line.split(/\s+/u)[1]), 0)
}

/** What a proxy that starts knows at once: it has to ask for nobody. */
async function knownOnDisk(proxy: LabNodeProxy, { client, near, far }: Trio): Promise<void> {
  for (const [from, to] of [
    [client, near] as const,
    [client, far] as const,
    [far, near] as const,
  ]) {
    assert.deepEqual(failures(await ask(from, to.addresses.v4, port)), [])
  }
  await waitFor('what was asked for to be on disk', () => {
    const text = readFileSync(join(proxy.node.run, 'state/config.json'), 'utf8')
    return [client, near, far].every(({ addresses }) => text.includes(`"${addresses.v4}"`))
  })
}

test('connections that come before the beat is stale wait for the next proxy', async (t) => {
  // As long as it takes: this is about what waits, not about how fast a proxy starts.
  const args = ['--beat-max-age-ms', '600000', '--give-up-after-ms', '600000']
  await using world = await createMeshWorld({ accessLog: 0, logLevel: 'debug', args })
  // Nothing may go past the mesh, so an answer has waited.
  await world.mesh.config.changeSettings({ failureMode: 'closed' })
  const proxy = world.mesh.proxyOn('node1')
  const trio = await addServing(world, 'auto')
  const { client, near, far } = trio
  await knownOnDisk(proxy, trio)
  const askings = async (count: number): Promise<Asking[]> => {
    const all = Array.from({ length: count }, () => [
      [client, near] as const,
      [client, far] as const,
      [far, near] as const,
    ]).flat()
    const asked = askAll(all)
    await waitFor('all to wait', async () => {
      const [outbound, inbound] = await Promise.all([waiting(client), waiting(near)])
      return outbound === 2 * count && inbound === count
    })
    return asked
  }
  const allAnswered = async (asked: readonly Asking[]): Promise<void> => {
    const answers = await Promise.all(asked.map(oneAnswer))
    assert.deepEqual(failures(answers), [])
  }

  await t.test('killed', async () => {
    await proxy.kill()
    const asked = await askings(5)
    proxy.start()
    await allAnswered(asked)
    await servedAgain(world, [trio])
  })

  await t.test('stopped, and continued', async () => {
    proxy.process.kill('SIGSTOP')
    const asked = await askings(3)
    proxy.process.kill('SIGCONT')
    await allAnswered(asked)
  })

  await t.test('killed, and its keeper soon after the next one has begun', async () => {
    await proxy.kill()
    const asked = await askings(3)
    proxy.start()
    await backAt(proxy)
    process.kill(proxy.keeperPid() ?? assert.fail('no keeper'), 'SIGKILL')
    await allAnswered(asked)
  })
})

test('a proxy that stays away: what waits is reset, what comes has its choice', async (t) => {
  // Eight times the usual, so that a busy machine connects in time.
  const args = ['--beat-max-age-ms', `${beatMaxAgeMs * 8}`, '--give-up-after-ms', '10000']
  await using world = await createMeshWorld({ accessLog: 0, logLevel: 'debug', args })
  const proxy = world.mesh.proxyOn('node1')
  const open = await addServing(world, 'auto', 'open')
  const closed = await addServing(world, 'auto', 'closed')
  await world.lab.annotateNamespace('closed', { 'sluice.dev/failure-mode': 'closed' })
  await waitFor('the choice to be in force', async () =>
    (await proxy.podStatus())
      .filter(({ namespace }) => namespace === 'closed')
      .every(({ failureMode }) => failureMode === 'closed'),
  )
  const both = ({ client, near, far }: Trio) => [[client, near] as const, [far, near] as const]
  const before = await world.mesh.redirected()
  // They run already: a busy machine takes seconds to start a client.
  const asked = [...both(open), ...both(closed)].map(([from, to]) =>
    startAsking(from, to.addresses.v4, port, { intervalMs: 50, patienceMs: 60_000 }),
  )
  await moreAnswers(asked, 1)
  const killedAt = Date.now()
  await proxy.kill()

  await t.test('what waits is reset', async () => {
    for (const asking of asked) {
      const end = await waitFor(
        'a connection that came after the kill to end',
        () => failures(asking.answers()).find(({ at }) => at >= killedAt),
        60_000,
      )
      assert.match(end.ok ? '' : end.error, /^ConnectionResetError/u)
    }
    await Promise.all(asked.map((asking) => asking.stop()))
  })

  await t.test('new connections go direct where the pod fails open', async () => {
    for (const [from, to] of both(open)) {
      assert.deepEqual(failures(await ask(from, to.addresses.v4, port, { count: 5 })), [])
    }
  })

  await t.test('and are refused where it fails closed, in both directions', async () => {
    for (const [from, to] of both(closed)) {
      const answers = await ask(from, to.addresses.v4, port, { count: 3, patienceMs: 2_000 })
      assert.equal(failures(answers).length, 3)
    }
  })

  await t.test('all are served when it is back, and nothing stays behind', async () => {
    proxy.start()
    await servedAgain(world, [open, closed])
    for (const [from, to] of [...both(open), ...both(closed)]) {
      assert.deepEqual(failures(await ask(from, to.addresses.v4, port, { count: 5 })), [])
    }
    assert.ok((await world.mesh.redirected()) - before >= 10)
    await nothingStays(proxy)
  })
})

/** Its descriptors are closed; a process without a name or memory may still hold them. */
function hasEnded(pid: number): boolean {
  try {
    return /^State:\s+[ZX]/mu.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return true
  }
}

test('the keeper is killed under load', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0, logLevel: 'debug' })
  const proxy = world.mesh.proxyOn('node1')
  const trio = await addServing(world, 'full')
  const [paired, proxied] = [askPaired(trio), askProxied(trio)]
  const fresh = askAnew(trio)
  const all = [...fresh, paired, proxied]
  await moreAnswers(all, 3)
  await keeperHolds(world, 1)
  const killKeeper = async (): Promise<void> => {
    const first = proxy.keeperPid()
    process.kill(first ?? assert.fail('no keeper'), 'SIGKILL')
    await waitFor('another keeper', () => ![undefined, first].includes(proxy.keeperPid()))
  }

  await t.test('alone: nobody notices', async () => {
    for (let round = 0; round < rounds; round += 1) {
      await killKeeper()
      await keeperHolds(world, 1)
      await moreAnswers(all, 5)
    }
    for (const asking of all) assert.deepEqual(failures(asking.answers()), [])
  })

  const gaps: Gap[] = []
  await t.test('and then the proxy: the new keeper has everything', async () => {
    gaps.push(await killAndRestart(proxy))
    await servedAgain(world, [trio])
    await moreAnswers(all, 5)
    for (const asking of fresh) assert.deepEqual(unexplained(asking.answers(), gaps), [])
    assert.deepEqual(failures(paired.answers()), [])
  })

  await t.test('with the proxy: connections end with a reset, and new ones go direct', async () => {
    const keeper = proxy.keeperPid() ?? assert.fail('no keeper')
    const killedAt = Date.now()
    for (const pid of [keeper, proxy.process.pid]) process.kill(pid, 'SIGKILL')
    await proxy.process.exited
    await waitFor('the keeper to be gone', () => hasEnded(keeper))
    const gap = { killedAt, deadAt: Date.now() }
    // No listener is left, so nobody waits for a beat to be stale.
    await moreAnswers(all, 5)
    gaps.push(gap)
    for (const asking of fresh) assert.deepEqual(unexplained(asking.answers(), gaps), [])
    // A connection that is kept meets its end with the next question, whenever that is.
    for (const asking of [paired, proxied]) assertCutByReset(asking)
  })

  await t.test('both are back: new connections are served, and nothing stays behind', async () => {
    proxy.start()
    await servedAgain(world, [trio])
    const before = await world.mesh.redirected()
    await moreAnswers(fresh, 5)
    for (const asking of fresh) assert.deepEqual(unexplained(asking.answers(), gaps), [])
    assert.ok((await world.mesh.redirected()) - before >= 5)
    await Promise.all(all.map((asking) => asking.stop()))
    await nothingStays(proxy)
  })
})

test('a proxy that nobody tells which pods it has is not believed in', async () => {
  await using world = await createMeshWorld({ accessLog: 0, logLevel: 'debug' })
  const proxy = world.mesh.proxyOn('node1')
  const { client, near } = await addServing(world, 'auto')
  await world.mesh.config.close()
  await proxy.kill()
  rmSync(join(proxy.node.run, 'state/config.json'), { force: true })
  await proxy.start().waitForLine(/"msg":"serving"/u, 60_000)
  assert.ok(proxy.logs().some(({ msg }) => msg?.startsWith('pods are not served before')))
  await waitFor('the last beat to be stale', async () => {
    const [answer] = await ask(client, near.addresses.v4, port, { patienceMs: 3_000 })
    return answer?.ok === true
  })
  // Hooks are where they were; only a beat would have them send this to listeners of nobody.
  const before = await world.mesh.redirected()
  const answers = await ask(client, near.addresses.v4, port, { count: 3 })
  assert.deepEqual(failures(answers), [])
  assert.equal(await world.mesh.redirected(), before)
})
