// What root with NET_ADMIN and NET_RAW in a pod may do to its own network namespace, routes, rules
// and processes: each connection goes through the pod's own proxy, or, where the pod made its
// packets take another way, through the proxy of the pod that it talks to.
import assert from 'node:assert/strict'
import test from 'node:test'
import { startAsking, startWho } from '../../src/lab/apps.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld } from './support/mesh-world.ts'
import { script } from './support/programs.ts'

const port = 8080
const root = { container: true, capabilities: ['NET_ADMIN', 'NET_RAW'], user: 0 } as const
const asker = new URL('../../src/lab/apps/ask.py', import.meta.url).pathname

/** Commands of the pod's own root, one after the other. */
async function inside(pod: LabPod, ...lines: readonly string[]): Promise<string> {
  const { stdout } = await pod.exec(['sh', '-ec', lines.join('\n')], root)
  return stdout
}

async function hasUserNamespaces(pod: LabPod): Promise<boolean> {
  const { status } = await pod.exec(['unshare', '-UrCmn', 'true'], { ...root, check: false })
  return status === 0
}

function answersIn(output: string): number {
  return output.split('\n').filter((line) => line.includes('"ok": true')).length
}

async function setUp() {
  const world = await createMeshWorld({ accessLog: 0 })
  const { client: hostile, near: server } = await world.addTrio('leaving', 'off')
  // On the other node, so that what is counted on this one is the hostile pod's alone.
  const [victim, other] = await world.lab.addPods([
    { namespace: 'leaving', name: 'victim', node: 'node2' },
    { namespace: 'leaving', name: 'other', node: 'node2' },
  ])
  assert.ok(victim !== undefined && other !== undefined)
  await world.mesh.waitEnrolled([victim, other])
  await startWho(server, 'server', port)
  await startWho(other, 'other', port)
  const asking = startAsking(victim, other.addresses.v4, port)
  await waitFor('the victim to be served', () => asking.answers().length > 3)
  const proxy = world.mesh.proxyOn('node1')
  /** What `act` made node1's programs count, and what came of it. */
  const watch = async (act: () => Promise<string>) => {
    const before = await proxy.counters()
    const answered = answersIn(await act())
    const after = await proxy.counters()
    const grown = (name: string) => (after[name] ?? 0) - (before[name] ?? 0)
    return { answered, outbound: grown('connectRedirected'), inbound: grown('lookupInbound') }
  }
  const statusOf = async (pod: LabPod) =>
    (await proxy.podStatus()).find(({ uid }) => uid === pod.uid)
  return { world, hostile, server, victim, asking, watch, statusOf }
}

test('root in a pod goes about its own namespace', async (t) => {
  const { world, hostile, server, victim, asking, watch, statusOf } = await setUp()
  await using _world = world
  const own = hostile.addresses.v4
  const to = server.addresses.v4
  const askIt = `python3 ${asker} ${to} ${port} --count 3 --timeout-ms 10000`
  // Where no answer is an answer too.
  const tryIt = `python3 ${asker} ${to} ${port} --count 2 --timeout-ms 1000`
  const enrolledAs = (await statusOf(hostile))?.netnsCookie

  await t.test('marks and source ports change nothing', async () => {
    const { outbound } = await watch(async () => {
      const said = await inside(hostile, `python3 ${script('leave.py')} options ${to} ${port}`)
      assert.deepEqual(JSON.parse(said), { mark: 'server', port: 'server' })
      return said
    })
    assert.equal(outbound, 2)
  })

  await t.test('a cgroup of its own is below its own', async (s) => {
    if (!(await hasUserNamespaces(hostile))) return s.skip('kernel: no user namespaces')
    const lines = [
      'mount -t cgroup2 none /mnt',
      'mkdir /mnt/own',
      'echo 0 > /mnt/own/cgroup.procs',
      askIt,
    ]
    const result = await watch(() => inside(hostile, `unshare -UrCm sh -ec '${lines.join('; ')}'`))
    assert.equal(result.answered, 3)
    assert.equal(result.outbound, 3)
  })

  await t.test('a network namespace of its own does not become the pod’s', async (s) => {
    if (!(await hasUserNamespaces(hostile))) return s.skip('kernel: no user namespaces')
    const strangers = Array.from({ length: 4 }, () =>
      hostile.spawn(['unshare', '-Urn', 'sh', '-c', 'echo in; exec sleep 600'], root),
    )
    await Promise.all(strangers.map((one) => one.waitForLine(/^in$/u)))
    // The agent looks at the pod again, with these in it.
    await world.lab.annotatePod(hostile, { 'sluice.dev/accelerate': 'auto' })
    await world.mesh.waitEnrolled([hostile])
    assert.equal((await statusOf(hostile))?.netnsCookie, enrolledAs)
    const result = await watch(() => inside(hostile, askIt))
    assert.deepEqual([result.answered, result.outbound], [3, 3])
    await Promise.all(strangers.map((one) => one.stop()))
  })

  await t.test('address translation past its proxy ends at the proxy of the server', async () => {
    const table = 'table ip way'
    const rule = `ip daddr ${own} tcp dport 1-1023 dnat to ${to}:${port}`
    const result = await watch(() =>
      inside(
        hostile,
        `nft 'add ${table}; add chain ip way out { type nat hook output priority -100; }'`,
        `nft 'add rule ip way out ${rule}'`,
        tryIt,
        `nft 'delete ${table}'`,
      ),
    )
    assert.ok(result.answered === 0 || result.inbound >= result.answered, JSON.stringify(result))
  })

  await t.test('routing rules lead to no app either', async () => {
    const result = await watch(() =>
      inside(
        hostile,
        'ip rule add pref 32000 lookup local',
        'ip rule del pref 0',
        `ip route add ${own} dev eth0 table 100`,
        `ip rule add pref 5 to ${own} lookup 100`,
        tryIt,
        'ip rule del pref 5',
        'ip rule add pref 0 lookup local',
        'ip rule del pref 32000',
      ),
    )
    const through = result.outbound + result.inbound
    assert.ok(through >= result.answered, JSON.stringify(result))
  })

  await t.test('forged SYNs of another pod get nobody in', async () => {
    const before = asking.answers().length
    const argv = ['forge', victim.addresses.v4, to, `${port}`, '2000']
    const said = await inside(hostile, `python3 ${script('leave.py')} ${argv.join(' ')}`)
    assert.deepEqual(JSON.parse(said), { sent: 2000 })
    await waitFor('the victim to be served on', () => asking.answers().length > before + 10)
    const result = await watch(() => inside(hostile, askIt))
    assert.deepEqual([result.answered, result.outbound], [3, 3])
  })

  assert.equal((await statusOf(hostile))?.state, 'enrolled')
  await asking.stop()
  const failed = asking.answers().filter(({ ok }) => !ok)
  assert.deepEqual(failed, [], 'another pod noticed nothing of all this')
})
