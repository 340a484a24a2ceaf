// The mesh breaks no app: real programs that use their sockets in all the ways a sockhash could
// disturb, each as client and as server, in `auto` and in `full`, every byte compared. The same
// pairs run outside the mesh first, so that what fails there is not blamed on the mesh.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import { BACKEND_PORT, type EchoProgram, echoPrograms, startEcho } from './support/echo-programs.ts'
import { createMeshWorld, type Trio } from './support/mesh-world.ts'

const soak = process.env['SLUICE_SOAK'] === '1'
const BYTES = soak ? 20_000_000 : 1_000_000
const COUNT = soak ? 30 : 3
const FIRST_PORT = 7400
const RUN_TIMEOUT_MS = 120_000
const REFERENCE = 'python asyncio'
const TURNED_BLOCKING = 'turned blocking'

interface Result {
  readonly ok: number
  readonly failed: number
  readonly errors: readonly string[]
}

async function runClient(client: LabPod, program: EchoProgram, server: LabPod, port: number) {
  const argv = program.run?.(server.addresses.v4, port, BYTES, COUNT)
  assert.ok(argv, `${program.name} is no client`)
  const done = await client.exec(argv, { check: false, timeoutMs: RUN_TIMEOUT_MS })
  assert.equal(
    done.status,
    0,
    `${program.name} ended with ${done.status ?? done.signal}: ${done.stderr}`,
  )
  const result = JSON.parse(done.stdout) as Result
  assert.deepEqual([result.ok, result.failed], [COUNT, 0], result.errors.join('; '))
}

/** Every program as a client of the reference, and the reference as a client of every program. */
async function matrix(t: TestContext, where: string, trio: Trio, programs: readonly EchoProgram[]) {
  const reference = programs.find(({ name }) => name === REFERENCE)
  assert.ok(reference)
  for (const server of [trio.near, trio.far]) {
    await startEcho(server, reference, BACKEND_PORT)
    for (const [index, program] of programs.entries())
      await startEcho(server, program, FIRST_PORT + index)
    for (const [index, program] of programs.entries()) {
      const clients = soak ? programs.filter(({ run }) => run !== undefined) : [reference]
      for (const client of clients)
        await t.test(`${where}, ${server.name}: ${client.name} -> ${program.name}`, () =>
          runClient(trio.client, client, server, FIRST_PORT + index),
        )
      if (program.run !== undefined)
        await t.test(`${where}, ${server.name}: ${program.name} -> ${reference.name}`, () =>
          runClient(trio.client, program, server, BACKEND_PORT),
        )
    }
  }
}

test('programs that must not notice the mesh', async (t) => {
  const programs = echoPrograms()
  await using world = await createMeshWorld({ accessLog: 0 })
  await matrix(t, 'no mesh', await world.addTrio('compat-plain', undefined), programs)
  await matrix(t, 'auto', await world.addTrio('compat-auto', 'auto'), programs)
  // `full` is its owner's word that the app's sockets stay as they are: docs/troubleshooting.md.
  const steady = programs.filter(({ name }) => name !== TURNED_BLOCKING)
  await matrix(t, 'full', await world.addTrio('compat-full', 'full'), steady)
})
