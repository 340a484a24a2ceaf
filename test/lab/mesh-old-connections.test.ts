// Connections that are older than a pod's enrolment stay outside of the mesh, or are reset where
// that is wished for.
import assert from 'node:assert/strict'
import test from 'node:test'
import { startAsking, startWho } from '../../src/lab/apps.ts'
import { startMesh } from '../../src/lab/mesh.ts'
import { createLab } from '../../src/lab/lab.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'

const port = 8080
const enroll = { 'sluice.dev/enroll': 'true' }

type Asking = ReturnType<typeof startAsking>

async function moreAnswers(asking: Asking, count: number): Promise<void> {
  const before = asking.answers().length
  await waitFor(`${count} more answers`, () => asking.answers().length >= before + count)
}

test('old connections go on, and are reset once that is wished for', async (t) => {
  await using lab = await createLab()
  const namespace = 'shop'
  const [client, server] = (await lab.addPods([
    { node: 'node1', namespace, name: 'client' },
    { node: 'node2', namespace, name: 'server' },
  ])) as [LabPod, LabPod]
  await startWho(server, 'server', port)
  const old = startAsking(client, server.addresses.v4, port, { keep: true })
  const old6 = startAsking(client, server.addresses.v6 ?? '', port, { keep: true })
  const within = startAsking(server, '127.0.0.1', port, { keep: true })
  for (const asking of [old, old6, within]) await moreAnswers(asking, 3)
  await using mesh = await startMesh(lab)
  await lab.annotateNamespace(namespace, enroll)
  await mesh.waitEnrolled([client, server])
  const status = async (node: string) => {
    const uid = node === 'node1' ? client.uid : server.uid
    const [found] = (await mesh.proxyOn(node).podStatus()).filter((pod) => pod.uid === uid)
    return found
  }
  const young = startAsking(client, server.addresses.v4, port, { keep: true })
  await moreAnswers(young, 3)

  await t.test('as it is preset, they go on and are counted', async () => {
    for (const asking of [old, old6, within]) await moreAnswers(asking, 10)
    assert.equal((await status('node1'))?.connectionsBeforeOpen, 2)
    assert.equal((await status('node2'))?.connectionsBeforeOpen, 2)
  })

  await t.test('an annotation resets them, and nothing else', async () => {
    await lab.annotateNamespace(namespace, { 'sluice.dev/old-connections': 'reset' })
    for (const asking of [old, old6]) {
      await waitFor('its end', () => asking.exit() !== undefined || asking.answers().some(isLost))
    }
    await waitFor('none to be left', async () => {
      const [here, there] = [await status('node1'), await status('node2')]
      return here?.connectionsBeforeOpen === 0 && there?.connectionsBeforeOpen === 0
    })
    for (const asking of [within, young]) {
      await moreAnswers(asking, 10)
      assert.deepEqual(asking.answers().filter(isLost), [])
    }
  })

  await t.test('with the annotation there they end when a pod comes into the mesh', async () => {
    await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': undefined })
    await mesh.waitExcluded([client, server])
    const direct = startAsking(client, server.addresses.v4, port, { keep: true })
    await moreAnswers(direct, 3)
    await lab.annotateNamespace(namespace, enroll)
    await waitFor('its end', () => direct.exit() !== undefined || direct.answers().some(isLost))
    await mesh.waitEnrolled([client, server])
    await moreAnswers(within, 10)
    assert.deepEqual(within.answers().filter(isLost), [])
    await direct.stop()
  })
  for (const asking of [old, old6, young, within]) await asking.stop()
})

function isLost({ ok }: { readonly ok: boolean }): boolean {
  return !ok
}
