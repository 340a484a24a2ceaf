// Root with NET_ADMIN in a pod may destroy any socket of its network namespace (SOCK_DESTROY, as
// `ss -K` does), also those that the proxy has there. It harms itself by that, and stays in the
// mesh.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { ask, startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld } from './support/mesh-world.ts'

const port = 8080
const listeners = 'state listening ( src 127.0.0.1 or src [::1] )'
const root = { container: true, capabilities: ['NET_ADMIN', 'NET_RAW'], user: 0 } as const

async function sockets(pod: LabPod, filter: string): Promise<string[]> {
  const { stdout } = await pod.exec(['ss', '-tnH', ...filter.split(' ')], root)
  return stdout.split('\n').filter((line) => line !== '')
}

async function destroy(pod: LabPod, filter: string): Promise<void> {
  await pod.exec(['ss', '-K', '-tnH', ...filter.split(' ')], root)
}

/** CONFIG_INET_DIAG_DESTROY: without it nothing happens, and nothing is to be feared. */
async function kernelDestroys(pod: LabPod): Promise<boolean> {
  const probe = await startWho(pod, 'probe', 9099, '0.0.0.0')
  await destroy(pod, 'state listening src 0.0.0.0:9099')
  const left = await sockets(pod, 'state listening src 0.0.0.0:9099')
  await probe.stop()
  return left.length === 0
}

/** How connections went past the mesh, on all nodes so far. */
async function wentPast({ mesh }: MeshWorld): Promise<number> {
  const names = ['connectNoListenerDirect', 'connectProxyDeadDirect', 'lookupNoListenerDirect']
  const counts = await Promise.all(names.map((name) => mesh.counter(name)))
  return counts.reduce((sum, count) => sum + count, 0)
}

async function served(client: LabPod, server: LabPod): Promise<void> {
  await waitFor(`${server.name} to answer ${client.name}`, async () => {
    const [answer] = await ask(client, server.addresses.v4, port)
    if (answer?.ok !== true) throw new Error(JSON.stringify(answer))
    assert.equal(answer.answer.accept[0], client.addresses.v4)
    return true
  })
}

async function setUp(t: TestContext) {
  const world = await createMeshWorld({ accessLog: 0 })
  t.after(() => world[Symbol.asyncDispose]())
  const { client: hostile, near: server, far } = await world.addTrio('hostile', 'auto')
  const { client: victim } = await world.addTrio('victims', 'auto')
  for (const pod of [hostile, server, far]) await startWho(pod, pod.name, port)
  const asking = startAsking(victim, server.addresses.v4, port)
  await waitFor('the victim to be served', () => asking.answers().length > 3)
  return { world, hostile, server, far, asking }
}

test("a pod destroys the proxy's sockets in its namespace", async (t) => {
  const { world, hostile, server, far, asking } = await setUp(t)
  if (!(await kernelDestroys(hostile))) {
    return t.skip('kernel: without CONFIG_INET_DIAG_DESTROY nobody can destroy a socket')
  }
  const proxy = world.mesh.proxyOn('node1')
  const pids = proxy.pids()
  const before = await wentPast(world)
  const four = await sockets(hostile, listeners)
  assert.equal(four.length, 4, 'both directions of both families')

  await t.test('listeners: it stays in the mesh, and has new ones', async () => {
    for (let round = 0; round < 3; round += 1) {
      const redirected = await world.mesh.redirected()
      await destroy(hostile, listeners)
      const own = startAsking(hostile, server.addresses.v4, port)
      await served(hostile, server)
      await served(far, hostile)
      await waitFor('all listeners to be there again', async () => {
        assert.equal((await sockets(hostile, listeners)).length, four.length)
        return true
      })
      await own.stop()
      const asked = own.answers().length
      assert.ok((await world.mesh.redirected()) - redirected >= asked, 'none went past the proxy')
    }
    assert.equal(await wentPast(world), before)
    const told = proxy.logs().filter((line) => JSON.stringify(line).includes('ss -K'))
    assert.ok(told.length > 0, 'the log says what happened')
  })

  await t.test('legs: its own connections end, and no others', async () => {
    const own = startAsking(hostile, server.addresses.v4, port, { keep: true, patienceMs: 500 })
    await waitFor('its connection to be used', () => own.answers().length > 3)
    await destroy(hostile, 'state established')
    await waitFor('its end', () => own.exit() !== undefined || own.answers().some(({ ok }) => !ok))
    await own.stop()
    await served(hostile, server)
  })

  assert.deepEqual(proxy.pids(), pids, 'no process of ours ended by it')
  assert.ok(!proxy.logs().some(({ msg }) => msg === 'a connection was lost'))
  await asking.stop()
  const failed = asking.answers().filter(({ ok }) => !ok)
  assert.deepEqual(failed, [], 'another pod noticed nothing')

  await t.test('while the proxy is dead: the next one makes new listeners', async () => {
    await proxy.kill()
    await destroy(hostile, listeners)
    proxy.start()
    await proxy.waitReady()
    await world.mesh.waitEnrolled([hostile])
    const redirected = await world.mesh.redirected()
    await served(hostile, server)
    await served(far, hostile)
    assert.ok((await world.mesh.redirected()) > redirected)
    assert.equal((await sockets(hostile, listeners)).length, four.length)
  })
})

/** Whether its next connection is intercepted: its own namespace shows which port it went to. */
async function isIntercepted(client: LabPod, server: LabPod): Promise<boolean> {
  const asking = startAsking(client, server.addresses.v4, port, { keep: true })
  await waitFor('an answer', () => asking.answers().some(({ ok }) => ok))
  const open = await sockets(client, 'state established ( dport ge :265 and dport le :388 )')
  await asking.stop()
  return open.length > 0
}

test('two generations of the proxy make new listeners, and the older one ends', async (t) => {
  const { world, hostile, server } = await setUp(t)
  if (!(await kernelDestroys(hostile))) {
    return t.skip('kernel: without CONFIG_INET_DIAG_DESTROY nobody can destroy a socket')
  }
  const proxy = world.mesh.proxyOn('node1')
  const older = proxy.process
  const listening = (count: number) =>
    waitFor(`${count} listeners`, async () => {
      assert.equal((await sockets(hostile, listeners)).length, count)
      return true
    })
  // With other ports it does not find the older one, which goes on looking after the pods.
  const ports = { metrics: `${proxy.node.addresses.v4}:15021`, admin: '127.0.0.1:15001' }
  const args = ['--metrics-address', ports.metrics, '--admin-address', ports.admin]
  proxy.start({ args })
  await proxy.waitReady()
  await listening(4)
  // The older one's are registered last, and go when it ends.
  older.kill('SIGSTOP')
  await destroy(hostile, listeners)
  await listening(4)
  older.kill('SIGCONT')
  await listening(8)
  older.kill('SIGTERM')
  assert.equal((await older.exited).status, 0)
  await waitFor('the pod to be in the mesh', () => isIntercepted(hostile, server))
  await listening(4)
})
