// A proxy that has no descriptor left lives on, keeps what it serves, and does what it could not do
// as soon as it has some again.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test from 'node:test'
import { ask, startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabNodeProxy } from '../../src/lab/node-proxy.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'
import { failures, moreAnswers, port } from './support/restarts.ts'

/** Not one more for this process, also when it closes some. */
function takeDescriptors(pid: number): () => void {
  const before = execFileSync('prlimit', [
    '--pid',
    `${pid}`,
    '--nofile',
    '--noheadings',
    '--output=SOFT,HARD',
  ])
  const [soft, hard] = before.toString().trim().split(/\s+/u)
  const set = (limit: string) => execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${limit}`])
  set(`3:${hard}`)
  return () => set(`${soft}:${hard}`)
}

/** How many questions to its ports were not answered; each may take its asker's patience. */
async function askPorts(proxy: LabNodeProxy): Promise<number> {
  const asked = [proxy.podStatus(), proxy.metrics(), proxy.admin('/'), proxy.counters()]
  const results = await Promise.allSettled(asked)
  return results.filter(({ status }) => status === 'rejected').length
}

test('out of descriptors: what is served stays, and the rest comes later', async (t) => {
  await using world = await createMeshWorld({ workers: 2, accessLog: 0 })
  const { lab, mesh } = world
  const { client, near, far } = await world.addTrio('scarce', 'auto')
  await Promise.all([near, far].map((pod) => startWho(pod, pod.name, port)))
  const proxy = mesh.proxyOn('node1')
  const { pid } = proxy.process
  const kept = startAsking(client, far.addresses.v4, port, { keep: true, patienceMs: 60_000 })
  await moreAnswers([kept], 3)

  const keeper = proxy.keeperPid()
  assert.ok(keeper)
  const giveBack = takeDescriptors(pid)
  const fresh = startAsking(client, near.addresses.v4, port, { intervalMs: 20, patienceMs: 2_000 })
  const asking = askPorts(proxy)
  process.kill(keeper, 'SIGKILL')
  const late = await lab.addPod({ namespace: 'scarce', name: 'late', node: 'node1' })
  await startWho(late, late.name, port)
  // Makes it look at the pods that it serves: one that cannot be looked at has not ended.
  await lab.annotateNamespace('scarce', { 'sluice.dev/accelerate': 'off' })
  await waitFor('a new connection to fail', () => failures(fresh.answers()).length > 0, 60_000)
  await moreAnswers([kept], 10)
  const states = () => proxy.logs().filter(({ msg }) => msg === 'pod is not as it should be')
  await waitFor('the pod to be tried in vain', () => states().length > 0, 60_000)

  t.diagnostic(`${await asking} of 4 questions to its ports were not answered`)
  assert.equal(proxy.process.exit(), undefined, 'the proxy has ended')

  giveBack()
  await mesh.waitEnrolled([client, near, late])
  await waitFor('another keeper', () => proxy.keeperPid() !== undefined, 60_000)
  await moreAnswers([kept, fresh], 10)
  const before = await mesh.redirected()
  for (const [from, to] of [
    [client, late],
    [late, near],
    [far, late],
  ] as const) {
    const [answer] = await ask(from, to.addresses.v4, port)
    assert.ok(answer?.ok, `${from.name} to ${to.name}: ${JSON.stringify(answer)}`)
  }
  assert.ok((await mesh.redirected()) > before)
  assert.deepEqual(failures(kept.answers()), [], 'what was open stayed open')
  assert.deepEqual([proxy.process.pid, proxy.process.exit()], [pid, undefined])
})
