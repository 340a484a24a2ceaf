// Protocols in which the server speaks first, both at once, one side ends early, or somebody
// resets: each looks to both apps as it does without a mesh, on one node and on two, in each mode
// of acceleration.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { createMeshWorld, type Mode } from './support/mesh-world.ts'
import { script } from './support/programs.ts'

const modes: readonly Mode[] = ['off', 'auto', 'full']
const port = 7200
const program = script('shapes.py')

type Shape = 'greet' | 'half-close' | 'reset' | 'server-close' | 'both' | 'abort'

async function talk(
  client: LabPod,
  shape: Shape,
  address: string,
): Promise<Readonly<Record<string, unknown>>> {
  const { stdout } = await client.exec(['python3', program, shape, address, `${port}`])
  return JSON.parse(stdout) as Record<string, unknown>
}

async function serve(pod: LabPod): Promise<LabProcess> {
  const server = pod.spawn(['python3', program, 'serve', `${port}`])
  await server.waitForLine(/^listening$/u)
  return server
}

test('conversations of every shape', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  for (const mode of modes) {
    const { client, near, far } = await world.addTrio(`shapes-${mode}`, mode)
    for (const pod of [near, far]) {
      const server = await serve(pod)
      const { v4: address } = pod.addresses
      const title = `${mode}, ${pod === near ? 'same node' : 'other node'}`

      await t.test(`${title}: the server speaks first`, async () => {
        const said = await talk(client, 'greet', address)
        assert.deepEqual([said['first'], said['echo'], said['end']], ['hello\n', 'thank', true])
      })
      await t.test(`${title}: an answer after the client's FIN`, async () => {
        const said = await talk(client, 'half-close', address)
        assert.equal(said['counted'], said['expected'])
      })
      await t.test(`${title}: a server that closes while most is still to be read`, async () => {
        const said = await talk(client, 'server-close', address)
        assert.equal(said['got'], said['expected'])
      })
      await t.test(`${title}: both sides send more than any buffer holds, at once`, async () => {
        const said = await talk(client, 'both', address)
        assert.equal(said['got'], said['expected'])
      })
      await t.test(`${title}: a reset by the server is a reset at the client`, async () => {
        assert.equal((await talk(client, 'reset', address))['got'], 'reset')
      })
      await t.test(`${title}: a reset by the client is a reset at the server`, async () => {
        await talk(client, 'abort', address)
        const line = await server.waitForLine(/saw/u)
        assert.deepEqual(JSON.parse(line), { saw: 'reset' })
      })
    }
  }
})
