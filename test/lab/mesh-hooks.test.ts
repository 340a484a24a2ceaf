// Hooks belong to cgroups, and go with them: the kubelet's is removed and made on each of its
// restarts.
import assert from 'node:assert/strict'
import { mkdirSync, rmdirSync } from 'node:fs'
import test from 'node:test'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'

const message = 'hooks were gone, and are back'

test('hooks of a cgroup that is made anew come back', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const proxy = world.mesh.proxyOn('node1')
  const back = (): readonly unknown[] =>
    proxy.logs().flatMap(({ msg, ...line }) => (msg === message ? [line['programs']] : []))
  const makeAnew = async (times: number): Promise<void> => {
    mkdirSync(proxy.node.kubeletCgroup)
    await waitFor('the hook', () => back().length === times, 60_000)
    assert.deepEqual(back().at(-1), ['kubelet_life'])
  }

  await t.test('of the proxy that loaded them', async () => {
    rmdirSync(proxy.node.kubeletCgroup)
    await makeAnew(1)
  })

  await t.test('of one that adopted them while the cgroup was away', async () => {
    await proxy.kill()
    rmdirSync(proxy.node.kubeletCgroup)
    proxy.start()
    await proxy.waitReady()
    await makeAnew(2)
  })
})
