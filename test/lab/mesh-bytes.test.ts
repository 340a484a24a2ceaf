// Every byte arrives, once and in order: many connections of random sizes, both ways at once, with
// slow readers, in each mode of acceleration, on one node and on two. The programs verify both
// ends.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import { createMeshWorld, type MeshWorld, type Mode } from './support/mesh-world.ts'
import { compileC } from './support/programs.ts'

const MODES: readonly Mode[] = ['off', 'auto', 'full']
const PORT = 7100
// Over 100,000 in all.
const CONNECTIONS = 17_000
const LANES = 16
const MAX_LOG2 = 21
const SLOW_PERCENT = 3
const RUN_TIMEOUT_MS = 600_000

interface Result {
  readonly connections: number
  readonly bytes: number
  readonly failed: number
}

async function ways({ mesh }: MeshWorld) {
  return {
    redirected: await mesh.redirected(),
    proxyDead: await mesh.counter('connectProxyDeadDirect'),
  }
}

test('bytes through the mesh', async (t) => {
  const checksum = compileC('checksum.c')
  await using world = await createMeshWorld({ accessLog: 0 })
  const run = async (client: LabPod, address: string, seed: number): Promise<Result> => {
    const argv = [checksum, 'run', address, PORT, CONNECTIONS, LANES, MAX_LOG2, SLOW_PERCENT, seed]
    const done = await client.exec(argv.map(String), { check: false, timeoutMs: RUN_TIMEOUT_MS })
    assert.equal(done.status, 0, `${done.stderr} ${done.stdout}`)
    return JSON.parse(done.stdout) as Result
  }
  for (const mode of MODES) {
    const { client, near, far } = await world.addTrio(`bytes-${mode}`, mode)
    for (const server of [near, far])
      await server.spawn([checksum, 'serve', `${PORT}`]).waitForLine(/ready/)
    for (const server of [near, far]) {
      const { v4, v6 } = server.addresses
      const address = mode === 'auto' ? (v6 ?? v4) : v4
      await t.test(`${mode}, ${server.name}, ${address}`, async () => {
        const before = await ways(world)
        const result = await run(client, address, MODES.indexOf(mode) * 7 + 3)
        assert.equal(result.failed, 0)
        assert.equal(result.connections, CONNECTIONS)
        const after = await ways(world)
        // A machine that stands still for half a second looks like a dead proxy, to which a
        // connect goes past; those are counted, and few.
        const past = after.proxyDead - before.proxyDead
        assert.ok(after.redirected - before.redirected + past >= CONNECTIONS, 'all are counted')
        assert.ok(past <= CONNECTIONS / 100, `${past} connections went past the proxy`)
        const direct = await world.mesh.counter('verdictDirect')
        if (mode === 'full' && server === near) assert.ok(direct > 0, 'pairs were used')
      })
    }
  }
})
