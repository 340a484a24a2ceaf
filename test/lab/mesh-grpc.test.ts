// Nodes fed by gRPC, as in a cluster; and one that starts while the operator is away, which comes
// back to a wrong annotation.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { ask, startWho } from '../../src/lab/apps.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { PodRow } from '../../src/model/status.ts'
import { createMeshWorld } from './support/mesh-world.ts'

const namespace = 'shop'
const labels = { app: 'who' }

test('pods are enrolled and reach services; a restart without the operator goes on', async () => {
  await using world = await createMeshWorld({ transport: 'grpc', accessLog: 0 })
  const { lab, mesh } = world
  const [client, near, far] = await lab.addPods([
    { namespace, name: 'client', node: 'node1' },
    { namespace, name: 'near', node: 'node1', labels },
    { namespace, name: 'far', node: 'node2', labels },
  ])
  assert.ok(client !== undefined && near !== undefined && far !== undefined)
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'true' })
  await mesh.waitEnrolled([client, near, far])
  await Promise.all([near, far].map((pod) => startWho(pod, pod.name, 8080)))
  const ports = [{ port: 80, targetPort: 8080 }]
  const service = await lab.addService({ name: 'who', namespace, selector: labels, ports })
  const [address = ''] = service.spec.clusterIPs

  const assertServed = async (count: number) => {
    const before = await mesh.redirected()
    const answers = await ask(client, address, 80, { count, patienceMs: 30_000 })
    assert.ok(
      answers.every(({ ok }) => ok),
      JSON.stringify(answers),
    )
    assert.ok((await mesh.redirected()) - before >= count, 'not all went through the proxy')
  }
  await assertServed(6)
  const podsTold = async () =>
    (await mesh.config.pods()).filter((pod) => pod.namespace === namespace)
  const told = async (state: PodRow['state']) => {
    await waitFor(`the operator to hear that all pods are ${state}`, async () => {
      const pods = await podsTold()
      return pods.length === 3 && pods.every((pod) => pod.state === state)
    })
  }
  await told('inMesh')
  const sinceFirst = (await podsTold()).map(({ sinceSeconds }) => sinceSeconds)

  const proxy = mesh.proxyOn('node1')
  const state = join(proxy.node.run, 'state/config.json')
  await waitFor('the service to be on disk', () => {
    return existsSync(state) && readFileSync(state, 'utf8').includes(address)
  })
  await mesh.config.pause()
  await proxy.kill()
  proxy.start()
  await proxy.waitReady()
  await mesh.waitEnrolled([client, near])
  await assertServed(6)

  // An operator that starts knows of no value before this one: nodes do.
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'yes-please' })
  await mesh.config.resume()
  await waitFor('both nodes to be back with the operator', async () => {
    const { sessions } = await mesh.config.status()
    return sessions.length === 2 && sessions.every(({ waiting, acked }) => !waiting && acked > 0)
  })
  assert.match((await mesh.config.problems()).join(), /pods that their nodes know stay as they are/)
  await assertServed(2)
  await told('inMesh')
  const sinceNow = (await podsTold()).map(({ sinceSeconds }) => sinceSeconds)
  assert.deepEqual(sinceNow, sinceFirst, 'the restart is no reason for another time')
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'false' })
  await told('outside')
  const [pod] = await podsTold()
  assert.equal(pod?.why, 'namespace opted out')
})
