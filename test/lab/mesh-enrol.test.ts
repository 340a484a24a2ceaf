// Pods come into the mesh and leave it while they talk, and nothing of them is left when they end.
import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'node:test'
import { type Asked, ask, startAsking, startWho } from '../../src/lab/apps.ts'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { loadNative } from '../../src/nodeproxy/native.ts'

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

/** How many descriptors of each kind a process has. */
function kindsOf(pid: number): Record<string, number> {
  const folder = join('/proc', String(pid), 'fd')
  const kinds: Record<string, number> = {}
  for (const fd of readdirSync(folder).sort()) {
    const link = linkOf(join(folder, fd))
    // `socket:[12345]`, `net:[4026531833]`, `anon_inode:bpf-map`, or a path.
    const kind = link.replace(/:\[\d+\]$/u, '')
    // Each worker keeps a descriptor for its next connection from its first one on.
    if (kind !== '' && kind !== 'anon_inode:[eventpoll]') kinds[kind] = (kinds[kind] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(kinds))
}

function descriptorsOf(pid: number): number {
  return Object.values(kindsOf(pid)).reduce((sum, count) => sum + count, 0)
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}

interface Traces {
  readonly descriptors: Readonly<Record<string, number>>
  readonly keeperDescriptors: Readonly<Record<string, number>>
  readonly entries: Readonly<Record<string, number>>
  readonly links: number
  readonly watches: number
  readonly pods: number
}

/** Everything that a pod may leave behind in a node's proxy. */
async function tracesOf(mesh: Mesh, node: string): Promise<Traces> {
  const proxy = mesh.proxyOn(node)
  const metrics = await proxy.metrics()
  return {
    descriptors: kindsOf(proxy.process.pid),
    keeperDescriptors: kindsOf(proxy.keeperPid() ?? 0),
    entries: entriesIn(proxy.node.bpffs),
    links: pinsIn(proxy.node.bpffs, 'links').length,
    watches: metrics.sum('sluice_agent_watches'),
    pods: (await proxy.podStatus()).length,
  }
}

function pinsIn(bpffs: string, kind: 'links' | 'maps'): string[] {
  const paths = readdirSync(bpffs, { recursive: true, encoding: 'utf8' })
  return paths.filter((path) => path.includes(`/${kind}/`)).map((path) => join(bpffs, path))
}

const pods = ['pods_by_netns', 'pods_by_addr', 'listeners']
const connections = ['origins', 'bypasses', 'sock_info', 'sockets', 'legs', 'pairs']

function entriesIn(bpffs: string): Record<string, number> {
  const native = loadNative()
  const wanted = pinsIn(bpffs, 'maps').filter((path) =>
    [...pods, ...connections].includes(basename(path)),
  )
  return Object.fromEntries(
    wanted.map((path) => {
      const fd = native.bpfGetPinned(path)
      const { count } = native.bpfMapDump(fd)
      native.closeFd(fd)
      return [basename(path), count]
    }),
  )
}

/** Pods that all end together; the first has the address that the first one of other rounds had. */
async function comeAndGo(
  { lab, mesh, client }: { lab: Lab; mesh: Mesh; client: LabPod },
  round: number,
  count: number,
): Promise<void> {
  const pods = await lab.addPods(
    Array.from({ length: count }, (_, index) => ({
      node: 'node1',
      namespace: 'crowd',
      name: `pod-${round}-${index}`,
      ...(index === 0 ? { addressIndex: 100 } : {}),
    })),
  )
  const [first] = pods
  assert.ok(first)
  await startWho(first, first.name, 8080)
  await mesh.waitEnrolled(pods)
  const [answer] = await ask(client, first.addresses.v4, 8080)
  assert.equal(answer?.ok === true && answer.answer.name, first.name)
  await lab.removePod(...pods)
}

/** Asks all the time, until told to stop: how long the slowest answer took, in ms. */
function keepAsking(ask: () => Promise<unknown>): () => Promise<number> {
  const stop = new AbortController()
  const slowest = (async () => {
    let longestMs = 0
    while (!stop.signal.aborted) {
      const start = performance.now()
      await ask()
      longestMs = Math.max(longestMs, performance.now() - start)
    }
    return longestMs
  })()
  slowest.catch(() => {}) // whoever stops it hears of it
  return () => {
    stop.abort()
    return slowest
  }
}

test("pods that end leave nothing, and an address used again is the new pod's", async (t) => {
  await using lab = await createLab({ nodes: ['node1'] })
  await using mesh = await startMesh(lab)
  const client = await lab.addPod({ node: 'node1', namespace: 'crowd', name: 'stays' })
  await lab.annotateNamespace('crowd', enroll)
  const crowd = { lab, mesh, client }
  await comeAndGo(crowd, 0, 5)
  const same = async (expected: Traces): Promise<void> => {
    await waitFor('nothing to be left of pods that ended', async () => {
      assert.deepEqual(await tracesOf(mesh, 'node1'), expected)
      return true
    })
  }

  await t.test('descriptors, map entries, watches and status are as before', async (s) => {
    const settled = await waitFor('the first pods to be gone', async () => {
      const traces = await tracesOf(mesh, 'node1')
      return traces.pods === 2 && traces
    })
    // A thousand pods, where there is time.
    const rounds = process.env['SLUICE_SOAK'] === '1' ? 20 : 2
    // It gives up, and with it the test, when there is no answer for ten seconds.
    const slowest = keepAsking(() => mesh.proxyOn('node1').podStatus())
    for (let round = 1; round <= rounds; round += 1) await comeAndGo(crowd, round, 50)
    s.diagnostic(`the slowest answer of the admin port took ${Math.round(await slowest())} ms`)
    await same(settled)
  })

  await t.test('listeners of an ended pod are closed, in the proxy and in the keeper', async () => {
    const pod = await lab.addPod({ node: 'node1', namespace: 'crowd', name: 'short' })
    await mesh.waitEnrolled([pod])
    const proxy = mesh.proxyOn('node1')
    const count = () => [proxy.process.pid, proxy.keeperPid() ?? 0].map(descriptorsOf)
    const before = count()
    await lab.removePod(pod)
    await waitFor('its listeners to be closed', () =>
      count().every((now, index) => now <= (before[index] ?? 0) - 4),
    )
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
