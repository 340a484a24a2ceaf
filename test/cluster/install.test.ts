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
  await cluster.close()
  rmSync(scratch, { recursive: true, force: true })
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
  const pod = (name: string, node: string, labels: object, script: string) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels },
    spec: {
      nodeName: node,
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: 'main',
          image,
          imagePullPolicy: 'Never',
          command: ['/usr/bin/node', '--eval', script],
        },
      ],
    },
  })
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
  return cluster.kubectl(inside)
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

async function proxies(): Promise<readonly string[]> {
  const selector = '--selector=app.kubernetes.io/component=nodeproxy'
  const names = await cluster.kubectl(['get', 'pods', `--namespace=${own}`, selector, '-o', 'name'])
  return names.split('\n').filter(Boolean)
}

/** State of the pods of `shop`, as the proxies of both nodes know them. */
async function enrolled(): Promise<readonly string[]> {
  const answers = await Promise.all(
    (await proxies()).map(async (proxy) => fetchIn(own, proxy, 'http://127.0.0.1:15000/pods')),
  )
  const pods = answers.flatMap(
    (text) => JSON.parse(text) as { name: string; namespace: string; state: string }[],
  )
  return pods
    .filter(({ namespace, state }) => namespace === 'shop' && state === 'enrolled')
    .map(({ name }) => name)
    .sort()
}

/** Sum of a metric over both nodes. */
async function metric(name: string): Promise<number> {
  const pages = await Promise.all(
    (await proxies()).map(async (proxy) => fetchIn(own, proxy, 'http://127.0.0.1:15020/metrics')),
  )
  const lines = pages.flatMap((page) => page.split('\n').filter((line) => line.startsWith(name)))
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

test('installed, every node has its proxy, and no pod is in the mesh', async () => {
  const set = ['--set', 'nodeproxy.drainSeconds=5']
  const where = ['--namespace', own, '--create-namespace']
  await helm('install', 'sluice', chart, ...where, ...set, '--wait', '--timeout', '5m')
  assert.equal((await proxies()).length, cluster.nodes.length)
  assert.deepEqual(await enrolled(), [])
})

test('helm test says that all is well', async () => {
  assert.match(await helm('test', 'sluice', '--namespace', own), /Phase:\s+Succeeded/)
})

test('an annotation brings running pods into the mesh, and no connection fails', async () => {
  const { failed } = await counts()
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'sluice.dev/enroll=true'])
  await waitFor('all pods to be enrolled', async () => (await enrolled()).length === 3, minuteMs)
  const before = await metric('sluice_connections_total{direction="outbound"}')
  await moreConnections(50)
  const through = await metric('sluice_connections_total{direction="outbound"}')
  assert.ok(through - before >= 50, `${before} -> ${through}`)
  const now = await counts()
  assert.equal(now.failed, failed, now.last)
})

test('the token of a proxy can read nothing', async () => {
  const account = `system:serviceaccount:${own}:sluice-nodeproxy`
  const list = await cluster.kubectl(['auth', 'can-i', '--list', `--as=${account}`, '-n', own])
  // What every account may ask: about itself, and what the API server can do.
  assert.doesNotMatch(list, /pods|services|secrets|configmaps|namespaces|nodes|meshconfigs/)
})

test('an upgrade replaces every proxy, and no new connection fails', async () => {
  const first = await proxies()
  const { failed } = await counts()
  const set = ['--reuse-values', '--set', 'nodeproxy.podAnnotations.round=second']
  await helm('upgrade', 'sluice', chart, '--namespace', own, ...set, '--wait', '--timeout', '5m')
  await waitFor(
    'the old proxies to be gone',
    async () => (await proxies()).every((name) => !first.includes(name)),
    2 * minuteMs,
  )
  await moreConnections(20)
  const now = await counts()
  assert.equal(now.failed, failed, now.last)
  assert.equal((await enrolled()).length, 3)
})

test('uninstalled, nothing is left on any node, and connections go on', async () => {
  const { failed } = await counts()
  await helm('uninstall', 'sluice', '--namespace', own, '--wait', '--timeout', '5m')
  await moreConnections(20)
  const now = await counts()
  assert.equal(now.failed, failed, now.last)
  for (const node of cluster.nodes) {
    const left = 'ls -d /sys/fs/bpf/sluice /var/lib/sluice /run/sluice 2>/dev/null; exit 0'
    assert.equal(await cluster.exec(node, ['sh', '-c', left]), '', node)
    const processes = await cluster.exec(node, ['ps', '-eo', 'comm='])
    assert.doesNotMatch(processes, /sluice-keeper/, node)
    const mount = await cluster.exec(node, ['findmnt', '-nro', 'TARGET', '-t', 'cgroup2'])
    const tree = ['bpftool', 'cgroup', 'tree', mount.split('\n')[0] ?? '']
    assert.doesNotMatch(await cluster.exec(node, tree), /sluice|connect4|sock_ops/, node)
  }
  const rest = ['all,secrets,configmaps,leases,roles,rolebindings', `--namespace=${own}`]
  const objects = (await cluster.kubectl(['get', ...rest, '-o', 'name'])).split('\n')
  assert.deepEqual(objects.filter(Boolean), ['configmap/kube-root-ca.crt'])
})
