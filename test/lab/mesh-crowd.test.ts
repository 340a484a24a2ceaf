// Very many connections: at once, one after the other to the same few destinations with the client
// closing first, all of a pod's replaced at once, and more than the proxy has descriptors for. None
// fails that works without a mesh: ports and TIME_WAIT are enough.
import assert from 'node:assert/strict'
import test from 'node:test'
import { ask, startWho } from '../../src/lab/apps.ts'
import type { LabNodeProxy } from '../../src/lab/node-proxy.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld } from './support/mesh-world.ts'
import { compileC } from './support/programs.ts'
import { whyFailed } from './support/why-failed.ts'

const soak = process.env['SLUICE_SOAK'] === '1'
// 3,000 a second for two minutes, where there is time. Not more: a client has 65,000 ports towards
// one destination, without a mesh too, and each rests for a minute.
const churnRate = 3_000
const churnTotal = soak ? 360_000 : 6_000
const churnAtOnce = 200
// Two descriptors each in the proxy, and the limit is 20,000.
const atOnce = 8_000
const ports = ['7300', '7301', '7302', '7303', '7304'] as const
const tooMany = 10_500
const timeoutMs = soak ? 900_000 : 120_000
// So many inbound connections that no single client has the ports for them.
const clients = 4

const crowd = compileC('crowd.c')

interface Churned {
  readonly done: number
  readonly failed: number
  readonly lastError: string
  readonly seconds: number
}

/** One line of `crowd hold`. */
interface Round {
  readonly open: number
  readonly round: number
  readonly slowestMs: number
  /** Reset by the kernel before their first answer, as happens without a mesh too: crowd.c. */
  readonly again: number
  readonly failed: number
  readonly lastError: string
}

type Destination = readonly [LabPod, string]

async function churn(
  client: LabPod,
  rate: number,
  total: number,
  destinations: readonly Destination[],
): Promise<Churned> {
  const where = destinations.flatMap(([pod, port]) => [pod.addresses.v4, port])
  const argv = [crowd, 'churn', `${churnAtOnce}`, `${rate}`, `${total}`, ...where]
  const { stdout, stderr } = await client.exec(argv, { check: false, timeoutMs })
  assert.notEqual(stdout, '', stderr)
  return JSON.parse(stdout) as Churned
}

function holdOpen(client: LabPod, count: number, server: LabPod): LabProcess {
  return client.spawn([crowd, 'hold', `${count}`, server.addresses.v4, '7300'])
}

async function roundOf(holder: LabProcess, number: number): Promise<Round> {
  const line = await holder.waitForLine(new RegExp(`"round":${number},`, 'u'), timeoutMs)
  return JSON.parse(line) as Round
}

/** More source ports than the 28,000 that are usual, which last for 470 connections a second. */
async function widenPorts(pods: readonly LabPod[]): Promise<void> {
  const argv = ['sysctl', '-qw', 'net.ipv4.ip_local_port_range=1024 65000']
  await Promise.all(pods.map((pod) => pod.exec(argv)))
}

/**
 * The nodes' own stack tracks what crosses it, and remembers it for two minutes: at this rate its
 * table is full after 80 s, and it drops SYNs, without a mesh too.
 */
async function forgetTracked({ lab }: MeshWorld): Promise<void> {
  const argv = ['sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=10']
  await Promise.all(lab.nodes.map((node) => node.exec(argv)))
}

/** @param lost connections that the kernel reset on the client's side alone */
async function nothingLeft(proxy: LabNodeProxy, lost = 0): Promise<void> {
  await waitFor(
    'nothing to be left of connections that ended',
    async () => {
      const now = await proxy.metrics()
      const open = now.sum('sluice_reactor_open_connections')
      assert.ok(open <= lost, `${open} connections are open`)
      const left = {
        origins: now.sum('sluice_map_entries', { map: 'origins' }),
        bypasses: now.sum('sluice_map_entries', { map: 'bypasses' }),
        pairs: now.sum('sluice_map_entries', { map: 'pairs' }),
      }
      assert.deepEqual(left, { origins: 0, bypasses: 0, pairs: 0 })
      return true
    },
    timeoutMs,
  )
}

/** Connections that were reset for want of descriptors, and for other reasons. */
async function refusals(proxy: LabNodeProxy) {
  const metrics = await proxy.metrics()
  const reactor = 'sluice_reactor_counts_total'
  return {
    noDescriptors: metrics.sum(reactor, { count: 'refused_no_descriptors' }),
    others:
      metrics.sum(reactor, { count: 'refused_over_limit' }) + metrics.sum('sluice_refusals_total'),
  }
}

function serveCrowd(pods: readonly LabPod[]): Promise<unknown> {
  return Promise.all(
    pods.map((pod) => pod.spawn([crowd, 'serve', ...ports]).waitForLine(/^listening$/u)),
  )
}

async function addClients(world: MeshWorld, namespace: string): Promise<LabPod[]> {
  const pods = await world.lab.addPods(
    Array.from({ length: clients }, (_, index) => ({
      namespace,
      name: `many-${index}`,
      node: 'node1',
    })),
  )
  await world.mesh.waitEnrolled(pods)
  return pods
}

test('new connections all the time', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client, near, far } = await world.addTrio('churn', 'auto')
  const many = await addClients(world, 'churn')
  await widenPorts([client, ...many])
  await forgetTracked(world)
  await serveCrowd([near, far])

  await t.test('to five destinations of two nodes, the client closing first', async (s) => {
    const before = await world.mesh.redirected()
    const { seconds, ...result } = await churn(client, churnRate, churnTotal, [
      [near, '7300'],
      [near, '7301'],
      [far, '7302'],
      [far, '7303'],
      [far, '7304'],
    ])
    s.diagnostic(`${Math.round(churnTotal / seconds)} a second`)
    assert.deepEqual(result, { done: churnTotal, failed: 0, lastError: '' })
    assert.equal((await world.mesh.redirected()) - before, churnTotal)
  })

  for (const server of [near, far]) {
    await t.test(`as many into one port of ${server.name}`, async (s) => {
      const share = churnTotal / clients
      const rate = churnRate / clients
      const results = await Promise.all(
        many.map((pod) => churn(pod, rate, share, [[server, '7300']])),
      )
      const slowest = Math.max(...results.map(({ seconds }) => seconds))
      s.diagnostic(`${Math.round(churnTotal / slowest)} a second`)
      for (const { seconds: _, ...result } of results)
        assert.deepEqual(result, { done: share, failed: 0, lastError: '' })
    })
  }
})

test('very many connections of one pod at once', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const { client, near, far } = await world.addTrio('crowd', 'full')
  const { client: other } = await world.addTrio('others', 'auto')
  await serveCrowd([near, far])
  await startWho(near, near.name, 8080)
  const proxy = world.mesh.proxyOn('node1')
  const all = { open: atOnce, failed: 0, lastError: '' }
  let lost = 0
  const expectAll = async (holder: LabProcess, number: number): Promise<number> => {
    const { slowestMs, again, round: _, ...result } = await roundOf(holder, number)
    lost += again
    if (result.failed > 0)
      assert.fail(`${JSON.stringify(result)}\n${await whyFailed(proxy, [client, near, far])}`)
    assert.deepEqual(result, all)
    return slowestMs
  }

  for (const server of soak ? [near, far] : [near]) {
    await t.test(`${atOnce} to ${server.name}, and each is alive`, async (s) => {
      const before = await refusals(proxy)
      const holder = holdOpen(client, atOnce, server)
      s.diagnostic(`the slowest took ${await expectAll(holder, 1)} ms`)
      const [answer] = await ask(other, near.addresses.v4, 8080)
      assert.ok(answer?.ok, 'another pod is served meanwhile')
      holder.stdin.write('once more\n')
      await expectAll(holder, 2)
      const metrics = await proxy.metrics()
      const open = metrics.sum('sluice_pod_connections', { namespace: 'crowd', pod: 'client' })
      assert.ok(open >= atOnce && open <= atOnce + lost, `${open} are open`)
      // All end, and as many begin, before the proxy can have closed one.
      holder.stdin.write('swap\n')
      s.diagnostic(`when replaced, the slowest took ${await expectAll(holder, 3)} ms`)
      assert.deepEqual(await refusals(proxy), before, 'the proxy reset none')
      s.diagnostic(`${lost} reset by the kernel so far`)
      await holder.stop()
      await nothingLeft(proxy, lost)
    })
  }

  await t.test(
    'more than there are descriptors for: some are reset, the others go on',
    async (s) => {
      const before = await refusals(proxy)
      const holder = holdOpen(client, tooMany, near)
      const first = await roundOf(holder, 1)
      s.diagnostic(`${first.open} open, ${first.failed} reset; the last took ${first.slowestMs} ms`)
      assert.ok(first.open >= atOnce && first.failed > 0, JSON.stringify(first))
      assert.equal(first.lastError, 'ECONNRESET')
      const after = await refusals(proxy)
      assert.ok(after.noDescriptors - before.noDescriptors >= first.failed, 'each is counted')
      assert.equal(after.others, before.others, 'none was accepted that could have no leg')
      holder.stdin.write('once more\n')
      assert.deepEqual(await roundOf(holder, 2).then(({ open, failed }) => ({ open, failed })), {
        open: first.open,
        failed: 0,
      })
      await holder.stop()
      await nothingLeft(proxy, lost + first.again)
      const [answer] = await ask(client, near.addresses.v4, 8080)
      assert.ok(answer?.ok, 'it is served again')
    },
  )
})
