// One pod's storm, with the benchmark's own programs: whatever it is, another pod of the node is
// served, on old connections and on new ones. How fast is the benchmark's question (`npm run bench
// -- fairness`).
import assert from 'node:assert/strict'
import test from 'node:test'
import { inStorm, STORMS } from '../../bench/fairness/storms.ts'
import { startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'
import { compileC } from './support/programs.ts'

const load = compileC('../../../bench/l4/load.c')
const storm = compileC('../../../bench/fairness/storm.c')
const port = 8080
const stormyPort = 7000
const enough = 20
const patienceMs = 60_000

/** Questions of the quiet pod, over one connection and over a new one each time. */
function askBoth(client: LabPod, server: LabPod) {
  const { v4 } = server.addresses
  const kept = startAsking(client, v4, port, { keep: true, patienceMs })
  const fresh = startAsking(client, v4, port, { patienceMs })
  return [kept, fresh] as const
}

test("one pod's storm and another pod's connections", async (t) => {
  await using world = await createMeshWorld({ accessLog: 0, workers: 1 })
  const quiet = await world.addTrio('quiet', 'auto')
  const stormy = await world.addTrio('stormy', 'auto')
  for (const pod of [quiet.near, quiet.far]) await startWho(pod, pod.name, port)
  await stormy.near.spawn([load, 'serve', `${stormyPort}`]).waitForLine(/ready/u)
  const target = { address: stormy.near.addresses.v4, port: stormyPort }
  const asking = [...askBoth(quiet.client, quiet.near), ...askBoth(quiet.client, quiet.far)]
  const moreAnswers = async () => {
    const before = asking.map((one) => one.answers().length)
    await waitFor(
      'the quiet pod to be served',
      () => asking.every((one, index) => one.answers().length >= (before[index] ?? 0) + enough),
      patienceMs,
    )
  }
  await moreAnswers()
  for (const one of STORMS) {
    await t.test(one.name, async (s) => {
      const redirected = await world.mesh.redirected()
      const { blown } = await inStorm(one, storm, stormy.client, target, moreAnswers)
      s.diagnostic(JSON.stringify(blown))
      assert.equal(blown.failed, 0, 'the storm itself is served, too')
      const own = (await world.mesh.redirected()) - redirected
      assert.ok(own >= (one.verb === 'churn' ? 1000 : one.number), 'it went through the proxy')
    })
  }
  await Promise.all(asking.map((one) => one.stop()))
  const failed = asking.flatMap((one) => one.answers().filter(({ ok }) => !ok))
  assert.deepEqual(failed, [], 'another pod noticed nothing')
})
