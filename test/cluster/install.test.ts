// What the README tells users, on a real cluster: install, annotate, upgrade, uninstall.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { apply } from '../../scripts/cluster/kubectl.ts'
import { run } from '../../scripts/command.ts'
import { buildImage } from '../../scripts/image/build.ts'
import { root } from '../../scripts/tools.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createOwnedCluster, type OwnedCluster } from './support/owned-cluster.ts'
import { scriptPod } from './support/script-pod.ts'

const minuteMs = 60_000
const own = 'sluice-system'
const chart = join(root, 'deploy/daemonset')

let scratch = ''
let image = ''
let cluster: OwnedCluster
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'sluice-install-'))
  const [made, built] = await Promise.all([
    createOwnedCluster(`install-${process.pid}`),
    buildImage(join(scratch, 'image.tar')),
  ])
  cluster = made
  image = built.name
  await cluster.load(built.file)
  await startShop()
})
after(async () => {
  rmSync(scratch, { recursive: true, force: true })
  await cluster.close()
})

async function helm(...args: readonly string[]): Promise<string> {
  const env = { KUBECONFIG: cluster.kubeconfig }
  return run([join(cluster.bin, 'helm'), ...args], { env, timeoutMs: 6 * minuteMs })
}

const server = `
  const { createServer } = require('node:http')
  createServer((_, answer) => answer.end(process.env.HOSTNAME)).listen(8080, '::')`

/** New connections one after the other, for as long as the pod lives; counts are on port 8081. */
const client = `
  const { get, createServer } = require('node:http')
  const counts = { good: 0, failed: 0, last: '' }
  const fail = (error) => { counts.failed++; counts.last = error.message }
  const target = { host: 'web.shop.svc.cluster.local', agent: false }
  const again = () => setTimeout(ask, 20)
  const ask = () => get(target, (answer) => {
    answer.resume()
    answer.on('end', () => { counts.good++; again() })
  }).on('error', (error) => { fail(error); again() })
  ask()
  createServer((_, answer) => answer.end(JSON.stringify(counts))).listen(8081, '127.0.0.1')`

/** A server on each node, a client on the first. They run before there is a mesh. */
async function startShop(): Promise<void> {
  const pod = (name: string, node: string, labels: object, script: string) =>
    scriptPod({ name, node, image, script, metadata: { labels } })
  await apply(cluster.kubectl, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } },
    ...cluster.nodes.map((node) => pod(`web-${node}`, node, { app: 'web' }, server)),
    pod('client', cluster.nodes[0] ?? '', { app: 'client' }, client),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web', namespace: 'shop' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }] },
    },
  ])
  const ready = ['pod', '--all', '--namespace=shop', '--for=condition=Ready', '--timeout=120s']
  await cluster.kubectl(['wait', ...ready], { timeoutMs: 3 * minuteMs })
}

async function fetchIn(namespace: string, pod: string, url: string): Promise<string> {
  const script = `fetch('${url}', { headers: { accept: 'application/json' } })
    .then((answer) => answer.text()).then((text) => process.stdout.write(text))`
  const inside = ['exec', `--namespace=${namespace}`, pod, '--', '/usr/bin/node', '--eval', script]
  // A Node is started for it, which takes long on a machine with other things to do.
  return cluster.kubectl(inside, { timeoutMs: 3 * minuteMs })
}

interface Counts {
  readonly good: number
  readonly failed: number
  readonly last: string
}

async function counts(): Promise<Counts> {
  return JSON.parse(await fetchIn('shop', 'client', 'http://127.0.0.1:8081')) as Counts
}

/** Runs that many more connections of the client. */
async function moreConnections(number: number): Promise<Counts> {
  const { good } = await counts()
  return waitFor(
    `${number} connections`,
    async () => {
      const now = await counts()
      return now.good >= good + number && now
    },
    2 * minuteMs,
  )
}

interface PodObject {
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly deletionTimestamp?: string
  }
  readonly spec: { readonly nodeName: string; readonly hostNetwork?: boolean }
}

async function podObjects(...args: readonly string[]): Promise<readonly PodObject[]> {
  const text = await cluster.kubectl(['get', 'pods', ...args, '-o', 'json'])
  return (JSON.parse(text) as { readonly items: readonly PodObject[] }).items
}

/** Those that are to stay, by node. */
async function proxies(): Promise<ReadonlyMap<string, string>> {
  const selector = '--selector=app.kubernetes.io/component=nodeproxy'
  const pods = await podObjects(`--namespace=${own}`, selector)
  const staying = pods.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
  return new Map(staying.map(({ metadata, spec }) => [spec.nodeName, metadata.name]))
}

interface KnownPod {
  readonly name: string
  readonly namespace: string
  readonly state: string
  readonly failureMode: string
}

/** Pods as the proxies of their nodes know them. */
async function knownPods(): Promise<ReadonlyMap<string, readonly KnownPod[]>> {
  const known = [...(await proxies())].map(async ([node, proxy]) => {
    const text = await fetchIn(own, proxy, 'http://127.0.0.1:15000/pods')
    return [node, JSON.parse(text) as readonly KnownPod[]] as const
  })
  return new Map(await Promise.all(known))
}

/** Names of the pods of `shop` that are in the mesh. */
async function enrolled(): Promise<readonly string[]> {
  return [...(await knownPods()).values()]
    .flat()
    .filter(({ namespace, state }) => namespace === 'shop' && state === 'enrolled')
    .map(({ name }) => name)
    .sort()
}

async function allEnrolled(): Promise<void> {
  const all = async () => (await enrolled()).length === 3
  await waitFor('all pods to be enrolled', all, 2 * minuteMs)
}

/** While something happens, and 20 connections after it. */
async function withoutFailure(happens: () => Promise<unknown>): Promise<void> {
  const { failed } = await counts()
  await happens()
  const now = await moreConnections(20)
  assert.equal(now.failed, failed, now.last)
}

async function upgrade(...settings: readonly string[]): Promise<void> {
  const set = settings.flatMap((setting) => ['--set', setting])
  const how = ['--namespace', own, '--reuse-values', '--wait', '--timeout', '5m']
  await helm('upgrade', 'sluice', chart, ...how, ...set)
}

async function keeperOf(node: string): Promise<string> {
  return cluster.exec(node, ['pgrep', '-x', 'sluice-keeper'])
}

/** What of Sluice is on a node: files, pins, the keeper and its cgroup, hooks. */
async function tracesOn(node: string): Promise<string> {
  const mount = await cluster.exec(node, ['findmnt', '-nro', 'TARGET', '-t', 'cgroup2'])
  const cgroups = mount.split('\n')[0] ?? ''
  const folders = `/sys/fs/bpf/sluice /var/lib/sluice /run/sluice ${cgroups}/sluice-keeper`
  const hooks = `bpftool cgroup tree ${cgroups} | grep -E 'sluice|connect4|sock_ops'`
  const look = `ls -d ${folders} 2>/dev/null; pgrep -l -x sluice-keeper; ${hooks}; exit 0`
  return cluster.exec(node, ['sh', '-c', look])
}

/** Sum of a metric over both nodes. */
async function metric(name: string): Promise<number> {
  const pages = await Promise.all(
    [...(await proxies()).values()].map(async (proxy) =>
      fetchIn(own, proxy, 'http://127.0.0.1:15020/metrics'),
    ),
  )
  const lines = pages.flatMap((page) => page.split('\n').filter((line) => line.startsWith(name)))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('installed, every node has its proxy, and no pod is in the mesh', async () => {
  const taint = 'sluice.dev/agent-not-ready'
  const [tainted = ''] = cluster.nodes
  await cluster.kubectl(['taint', 'node', tainted, `${taint}=true:NoSchedule`])
  const set = [
    'nodeproxy.drainSeconds=5',
    // A busy machine may need long to start a container again.
    'nodeproxy.restartSeconds=120',
    'startUpTaint.enabled=true',
  ].flatMap((setting) => ['--set', setting])
  const where = ['--namespace', own, '--create-namespace']
  await helm('install', 'sluice', chart, ...where, ...set, '--wait', '--timeout', '5m')
  assert.equal((await proxies()).size, cluster.nodes.length)
  assert.deepEqual(await enrolled(), [])
  const taints = ['get', 'node', tainted, '-o', 'jsonpath={.spec.taints[*].key}']
  const isGone = async () => !(await cluster.kubectl(taints)).includes(taint)
  await waitFor('the start-up taint to be removed', isGone, 2 * minuteMs)
})

test('helm test says that all is well', async () => {
  assert.match(await helm('test', 'sluice', '--namespace', own), /Phase:\s+Succeeded/)
})

test('an annotation brings running pods into the mesh, and no connection fails', async () => {
  const { failed } = await counts()
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'sluice.dev/enroll=true'])
  await allEnrolled()
  const before = await metric('sluice_connections_total{direction="outbound"}')
  await moreConnections(50)
  const through = await metric('sluice_connections_total{direction="outbound"}')
  assert.ok(through - before >= 50, `${before} -> ${through}`)
  const now = await counts()
  assert.equal(now.failed, failed, now.last)
})

test('each of two proxies on one kernel knows all pods of its node, and no others', async () => {
  const pods = await podObjects('--all-namespaces')
  const expected = cluster.nodes.map((node) => {
    const own = pods.filter(({ spec }) => spec.nodeName === node && spec.hostNetwork !== true)
    return [node, own.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`).sort()]
  })
  const known = [...(await knownPods())].map(([node, all]) => {
    const named = all.filter(({ name }) => name !== '')
    return [node, named.map(({ namespace, name }) => `${namespace}/${name}`).sort()]
  })
  assert.deepEqual(Object.fromEntries(known), Object.fromEntries(expected))
})

test('the token of a proxy can read nothing', async () => {
  const account = `system:serviceaccount:${own}:sluice-nodeproxy`
  const list = await cluster.kubectl(['auth', 'can-i', '--list', `--as=${account}`, '-n', own])
  // What every account may ask: about itself, and what the API server can do.
  assert.doesNotMatch(list, /pods|services|secrets|configmaps|namespaces|nodes|meshconfigs/)
})

test('a container that is killed leaves its keeper, and no new connection fails', async () => {
  const [node = ''] = cluster.nodes
  const keeper = await keeperOf(node)
  await withoutFailure(async () => {
    const pod = ['get', 'pod', (await proxies()).get(node) ?? '', `--namespace=${own}`, '-o']
    const restarts = ['jsonpath={.status.containerStatuses[0].restartCount}']
    await cluster.exec(node, ['pkill', '-KILL', '-f', '[n]odeproxy --node='])
    const isAnother = async () => (await cluster.kubectl([...pod, ...restarts])) === '1'
    await waitFor('another container', isAnother, 2 * minuteMs)
    await allEnrolled()
  })
  assert.equal(await keeperOf(node), keeper)
})

test('a pod that is deleted leaves its keeper, and no new connection fails', async () => {
  const [, node = ''] = cluster.nodes
  const keeper = await keeperOf(node)
  const first = (await proxies()).get(node) ?? ''
  await withoutFailure(async () => {
    await cluster.kubectl(['delete', 'pod', first, `--namespace=${own}`], { timeoutMs: minuteMs })
    const isAnother = async () => ![undefined, first].includes((await proxies()).get(node))
    await waitFor('another pod', isAnother, minuteMs)
    await allEnrolled()
  })
  assert.equal(await keeperOf(node), keeper)
})

test('an upgrade replaces every proxy, and no new connection fails', async () => {
  const first = await proxies()
  await withoutFailure(async () => {
    await upgrade('nodeproxy.removeAfterSeconds=5')
    const others = async () =>
      [...(await proxies())].every(([node, name]) => first.get(node) !== name)
    await waitFor('the old proxies to be gone', others, 2 * minuteMs)
  })
  await allEnrolled()
})

test('a node that is not chosen any more is cleaned, and connections go on', async () => {
  await withoutFailure(async () => {
    await upgrade('nodeproxy.nodeSelector.mesh=wanted')
    for (const node of cluster.nodes) {
      await waitFor(`${node} to be clean`, async () => (await tracesOn(node)) === '', 2 * minuteMs)
    }
  })
  assert.equal((await proxies()).size, 0)
})

test('chosen again, it is in the mesh as before', async () => {
  await withoutFailure(async () => {
    await cluster.kubectl(['label', 'nodes', '--all', 'mesh=wanted'])
    await allEnrolled()
  })
})

test('uninstalled, nothing is left on any node, and connections go on', async () => {
  // Refused without a proxy: so all pods have to be out of the mesh before the first one ends.
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'sluice.dev/failure-mode=closed'])
  const areClosed = async () =>
    [...(await knownPods()).values()]
      .flat()
      .every(({ namespace, failureMode }) => namespace !== 'shop' || failureMode === 'closed')
  await waitFor('pods that refuse without a proxy', areClosed, minuteMs)
  await withoutFailure(async () => {
    await helm('uninstall', 'sluice', '--namespace', own, '--wait', '--timeout', '5m')
  })
  for (const node of cluster.nodes) assert.equal(await tracesOn(node), '', node)
  const rest = ['all,secrets,configmaps,leases,roles,rolebindings', `--namespace=${own}`]
  const objects = (await cluster.kubectl(['get', ...rest, '-o', 'name'])).split('\n')
  assert.deepEqual(objects.filter(Boolean), ['configmap/kube-root-ca.crt'])
})
