// Pods come into the mesh and leave it while they talk, and nothing of them is left when they end.
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { type Asked, ask, startAsking, startWho } from '../../src/lab/apps.ts'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'

const enroll = { 'sluice.dev/enroll': 'true' }

function failures(answers: readonly Asked[]): readonly Asked[] {
  return answers.filter(({ ok }) => !ok)
}

/** Resolves when the client has had that many more answers. */
async function moreAnswers(
  asking: { answers(): readonly Asked[] },
  count: number,
): Promise<readonly Asked[]> {
  const before = asking.answers().length
  return waitFor(`${count} more answers`, () => {
    const now = asking.answers()
    return now.length >= before + count && now.slice(before)
  })
}

test('a namespace is annotated, and its annotation taken away, under traffic', async (t) => {
  await using lab = await createLab()
  const namespace = 'shop'
  const [client, near, far] = (await lab.addPods([
    { node: 'node1', namespace, name: 'client' },
    { node: 'node1', namespace, name: 'near', labels: { app: 's' } },
    { node: 'node2', namespace, name: 'far', labels: { app: 's' } },
  ])) as [LabPod, LabPod, LabPod]
  await Promise.all([startWho(near, 'near', 8080), startWho(far, 'far', 8080)])
  const service = await lab.addService({
    namespace,
    name: 's',
    selector: { app: 's' },
    ports: [{ port: 80, targetPort: 8080 }],
  })
  const [address = ''] = service.spec.clusterIPs
  const fresh = startAsking(client, address, 80)
  const kept = startAsking(client, address, 80, { keep: true })
  await Promise.all([moreAnswers(fresh, 3), moreAnswers(kept, 3)])
  await using mesh = await startMesh(lab)

  await t.test('before, pods are known and left alone', async () => {
    await mesh.waitExcluded([client, near, far])
    await Promise.all([moreAnswers(fresh, 3), moreAnswers(kept, 3)])
    assert.equal(await mesh.redirected(), 0)
  })

  await t.test('from then on new connections are in the mesh, and old ones go on', async () => {
    await lab.annotateNamespace(namespace, enroll)
    await mesh.waitEnrolled([client, near, far])
    const before = await mesh.redirected()
    await Promise.all([moreAnswers(fresh, 10), moreAnswers(kept, 3)])
    assert.ok((await mesh.redirected()) - before >= 10)
    const [status] = (await mesh.proxyOn('node1').podStatus()).filter(
      ({ uid }) => uid === client.uid,
    )
    assert.ok((status?.connectionsBefore ?? 0) >= 1, 'the kept one is older than the enrolment')
    assert.ok((status?.enrolMicroseconds ?? 0) > 0)
  })

  const inside = startAsking(client, address, 80, { keep: true })
  await moreAnswers(inside, 3)

  await t.test('afterwards new connections go direct, and those in the mesh go on', async () => {
    await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': undefined })
    await mesh.waitExcluded([client, near, far])
    const before = await mesh.redirected()
    await Promise.all([moreAnswers(fresh, 10), moreAnswers(kept, 3), moreAnswers(inside, 3)])
    assert.equal(await mesh.redirected(), before)
  })

  await t.test('and it may come back', async () => {
    await lab.annotateNamespace(namespace, enroll)
    await mesh.waitEnrolled([client, near, far])
    const before = await mesh.redirected()
    await Promise.all([moreAnswers(fresh, 10), moreAnswers(inside, 3)])
    assert.ok((await mesh.redirected()) - before >= 10)
  })

  for (const asking of [fresh, kept, inside]) {
    assert.deepEqual(failures(asking.answers()), [], 'no question of any client failed')
    assert.equal(asking.exit(), undefined)
  }
})

/** What a process holds of namespaces, sockets and inotify. */
function descriptorsOf(pid: number): number {
  const folder = join('/proc', String(pid), 'fd')
  return readdirSync(folder).filter((fd) => linkOf(join(folder, fd)).length > 0).length
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

interface Traces {
  readonly descriptors: number
  readonly keeperDescriptors: number
  readonly entries: number
  readonly watches: number
  readonly pods: number
}

/** Everything that a pod may leave behind in a node's proxy. */
async function tracesOf(mesh: Mesh, node: string): Promise<Traces> {
  const proxy = mesh.proxyOn(node)
  const metrics = await proxy.metrics()
  return {
    descriptors: descriptorsOf(proxy.process.pid),
    keeperDescriptors: descriptorsOf(proxy.keeperPid() ?? 0),
    entries: metrics.sum('sluice_map_entries', { map: 'pods_by_netns' }),
    watches: metrics.sum('sluice_agent_watches'),
    pods: (await proxy.podStatus()).length,
  }
}

async function comeAndGo(lab: Lab, mesh: Mesh, round: number, count: number): Promise<void> {
  const pods = await lab.addPods(
    Array.from({ length: count }, (_, index) => ({
      node: 'node1',
      namespace: 'crowd',
      name: `pod-${round}-${index}`,
    })),
  )
  await mesh.waitEnrolled(pods)
  await lab.removePod(...pods)
}

test("pods that end leave nothing, and an address used again is the new pod's", async (t) => {
  await using lab = await createLab({ nodes: ['node1'] })
  await using mesh = await startMesh(lab)
  await lab.addPod({ node: 'node1', namespace: 'crowd', name: 'stays' })
  await lab.annotateNamespace('crowd', enroll)
  await comeAndGo(lab, mesh, 0, 5)
  const same = async (expected: Traces): Promise<void> => {
    await waitFor('nothing to be left of pods that ended', async () => {
      assert.deepEqual(await tracesOf(mesh, 'node1'), expected)
      return true
    })
  }

  await t.test('descriptors, map entries, watches and status are as before', async () => {
    const settled = await waitFor('the first pods to be gone', async () => {
      const traces = await tracesOf(mesh, 'node1')
      return traces.pods === 2 && traces
    })
    const rounds = process.env['SLUICE_SOAK'] === '1' ? 20 : 2
    for (let round = 1; round <= rounds; round += 1) await comeAndGo(lab, mesh, round, 50)
    await same(settled)
  })

  await t.test('listeners of an ended pod are closed, in the proxy and in the keeper', async () => {
    const pod = await lab.addPod({ node: 'node1', namespace: 'crowd', name: 'short' })
    await mesh.waitEnrolled([pod])
    const before = await tracesOf(mesh, 'node1')
    await lab.removePod(pod)
    await waitFor('its listeners to be closed', () => {
      const keeper = descriptorsOf(mesh.proxyOn('node1').keeperPid() ?? 0)
      const own = descriptorsOf(mesh.proxyOn('node1').process.pid)
      return keeper <= before.keeperDescriptors - 4 && own <= before.descriptors - 4
    })
  })

  await t.test('an address that is free is taken by another pod at once', async () => {
    const client = await lab.addPod({ node: 'node1', namespace: 'crowd', name: 'client' })
    await mesh.waitEnrolled([client])
    for (const name of ['first', 'second', 'third']) {
      const pod = await lab.addPod({ node: 'node1', namespace: 'crowd', name, addressIndex: 100 })
      await startWho(pod, name, 8080)
      await mesh.waitEnrolled([pod])
      const [answer] = await ask(client, pod.addresses.v4, 8080)
      assert.ok(answer?.ok, JSON.stringify(answer))
      assert.equal(answer.answer.name, name)
      await lab.removePod(pod)
    }
  })
})

test('every quality-of-service class and both cgroup drivers', async () => {
  for (const cgroupStyle of ['cgroupfs', 'systemd'] as const) {
    await using lab = await createLab({ nodes: ['node1'], cgroupStyle })
    await using mesh = await startMesh(lab)
    const pods = await lab.addPods(
      (['guaranteed', 'burstable', 'besteffort'] as const).map((qos) => ({
        node: 'node1',
        namespace: 'classes',
        name: qos,
        qos,
      })),
    )
    await lab.annotateNamespace('classes', enroll)
    await mesh.waitEnrolled(pods)
  }
})
