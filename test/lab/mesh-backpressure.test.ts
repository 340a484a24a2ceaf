// A writer that is faster than its reader: what the kernel and the proxy hold of it is bounded, for
// one connection and for all of a node, and when the reader has caught up the bytes take the short
// way again.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld, type Mode } from './support/mesh-world.ts'
import { compileC } from './support/programs.ts'

const MIB = 1 << 20
const WRITTEN = 1024 * MIB
const HELD_AT_MOST = 16 * MIB
// Enough to be over the budget; each holds some 4 MiB of the machine's TCP memory besides.
const PAIRS = process.env['SLUICE_SOAK'] === '1' ? 200 : 80
// settings.nodeLimitBytes, what changes of a queue may go uncounted (32 KiB a socket), and what the
// apps' sockets take by TCP besides: 128 KiB, while nobody reads.
const NODE_BUDGET = 256 * MIB + PAIRS * (32 + 128) * 1024
const MODES: readonly Mode[] = ['off', 'auto', 'full']
const PIECE = 65_536
const TIMEOUT_MS = 120_000

const glut = compileC('glut.c')

interface Glut {
  /** Up to so many bytes more on each connection, until nothing is taken any more: all so far. */
  write(bytes: number): Promise<number>
  /** Reads so many, of all connections together: all so far. */
  read(bytes: number): Promise<number>
  stop(): Promise<void>
}

/** A client that writes and a server that reads, each when told. */
async function openGlut(
  client: LabPod,
  server: LabPod,
  port: number,
  connections: number,
): Promise<Glut> {
  const serving = server.spawn([glut, 'serve', `${port}`])
  await serving.waitForLine(/^listening$/u)
  const argv = [glut, 'write', server.addresses.v4, `${port}`, `${connections}`]
  const writing = client.spawn(argv)
  await writing.waitForLine(/^connected$/u, TIMEOUT_MS)
  const told = (process: LabProcess) => {
    let answers = 0
    return async (count: number): Promise<number> => {
      process.stdin.write(`${count}\n`)
      answers += 1
      const line = await waitFor(
        `${process.argv.join(' ')} to be done with ${count} bytes`,
        () => {
          if (process.exit() !== undefined) throw new Error(process.stderr())
          return process.lines().filter((text) => text.startsWith('{'))[answers - 1]
        },
        TIMEOUT_MS,
      )
      return (JSON.parse(line) as { bytes: number }).bytes
    }
  }
  return {
    write: told(writing),
    read: told(serving),
    stop: async () => {
      await Promise.all([writing.stop(), serving.stop()])
    },
  }
}

/** Memory of all TCP sockets in the namespaces of these pods, the proxies' ones included. */
async function socketMemory(pods: readonly LabPod[]): Promise<number> {
  const outputs = await Promise.all(pods.map((pod) => pod.exec(['ss', '-tmnHO'])))
  return outputs
    .flatMap(({ stdout }) => [...stdout.matchAll(/skmem:\(r(\d+),rb\d+,t\d+,tb\d+,f\d+,w(\d+)/gu)])
    .reduce((sum, [, received, sent]) => sum + Number(received) + Number(sent), 0)
}

/** What waits in the proxies' own buffers. */
async function proxyMemory(world: MeshWorld): Promise<number> {
  const metrics = await Promise.all(world.mesh.proxies.map((proxy) => proxy.metrics()))
  return metrics.reduce((sum, one) => sum + one.sum('sluice_reactor_buffered_bytes'), 0)
}

function inMib(bytes: number): string {
  return `${(bytes / MIB).toFixed(1)} MiB`
}

test('a writer against a reader that does not read', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  for (const mode of MODES) {
    const { client, near, far } = await world.addTrio(`glut-${mode}`, mode)
    for (const server of [near, far]) {
      await t.test(`${mode}, ${server.name}: what is held is bounded`, async (s) => {
        const one = await openGlut(client, server, 7400, 1)
        const accepted = await one.write(WRITTEN)
        const held = (await socketMemory([client, server])) + (await proxyMemory(world))
        s.diagnostic(`accepted ${inMib(accepted)}, held ${inMib(held)}`)
        assert.ok(accepted > 0 && accepted < HELD_AT_MOST, `accepted ${inMib(accepted)}`)
        assert.ok(held <= HELD_AT_MOST, `kernel and proxies hold ${inMib(held)}`)
        assert.equal(await one.read(accepted), accepted, 'nothing of it is lost')
        await one.stop()
      })
    }
    if (mode === 'full') await t.test('full: pairs', (s) => pairsOf(s, world, client, near))
  }
})

async function pairsOf(t: TestContext, world: MeshWorld, client: LabPod, near: LabPod) {
  const direct = () => world.mesh.counter('verdictDirect')
  await t.test('bytes go directly again when all is read', async (s) => {
    const one = await openGlut(client, near, 7401, 1)
    const accepted = await one.write(WRITTEN)
    await one.read(accepted)
    const before = await direct()
    // The reader keeps up: each piece is read before the next is written.
    const rounds = 32
    for (let round = 0; round < rounds; round += 1) {
      await one.write(MIB)
      await one.read(MIB)
    }
    const sends = (await direct()) - before
    s.diagnostic(`${sends} sends of ${(rounds * MIB) / PIECE} went directly`)
    assert.ok(sends >= (0.9 * rounds * MIB) / PIECE)
    await one.stop()
  })

  await t.test(`${PAIRS} of them stay within the node's budget`, async (s) => {
    const queued = async () =>
      (await world.mesh.proxyOn('node1').metrics()).sum('sluice_kernel_queued_bytes')
    const many = await openGlut(client, near, 7402, PAIRS)
    // Nothing is redirected into an app that was never seen to read.
    assert.equal(await many.read(await many.write(1)), PAIRS)
    const before = { direct: await direct(), refused: await overBudget(world) }
    const accepted = (await many.write(WRITTEN)) - PAIRS
    const inApps = await socketMemory([near])
    const held = (await socketMemory([client])) + inApps + (await proxyMemory(world))
    s.diagnostic(`accepted ${inMib(accepted)}, held ${inMib(held)}, in apps' ${inMib(inApps)}`)
    assert.ok(inApps <= NODE_BUDGET, `${inMib(inApps)} wait in the apps' sockets`)
    assert.ok(held <= PAIRS * HELD_AT_MOST, `${inMib(held)} in all`)
    assert.ok((await direct()) > before.direct, 'pairs were used')
    assert.ok((await overBudget(world)) > before.refused, 'the budget was what bounded them')
    assert.equal(await many.read(accepted), PAIRS + accepted, 'nothing of it is lost')
    await waitFor('the budget to be free again', async () => (await queued()) === 0)
    await many.stop()
  })
}

const overBudget = ({ mesh }: MeshWorld) => mesh.counter('verdictOverNodeLimit')
