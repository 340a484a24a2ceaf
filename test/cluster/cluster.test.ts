// The real Kubernetes that the other tests of this folder run on: that it is one, and that it
// leaves nothing behind.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { kill, processesBelow, unifiedFolder } from '../../scripts/cluster/cgroups.ts'
import { apply } from '../../scripts/cluster/kubectl.ts'
import { clusterCgroup } from '../../scripts/cluster/names.ts'
import { serviceProcess } from '../../scripts/cluster/place.ts'
import { run, tryCommand } from '../../scripts/command.ts'
import type { ClusterStatus } from '../../scripts/cluster/status.ts'
import { buildImage } from '../../scripts/image/build.ts'
import { root } from '../../scripts/tools.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import {
  added,
  type MachineState,
  namespacesOf,
  readMachineState,
  standing,
} from './support/machine-state.ts'
import { createOwnedCluster, type OwnedCluster } from './support/owned-cluster.ts'
import { podsReady, runPods } from './support/pods.ts'

const minuteMs = 60_000
const name = `test-${process.pid}`

/** Of a machine that does other things too: what came meanwhile and cannot be a cluster's. */
const others = [/sluice-(lab|bpf|image)/, /sluice-cluster-(?!test-)/]
const programs = /kube|etcd|containerd|pause|relay|coredns|runc|nsenter|unshare/

function isOurs(line: string): boolean {
  if (line.startsWith('processes: ')) return programs.test(line)
  return !others.some((pattern) => pattern.test(line))
}

let untouched: MachineState
let cluster: OwnedCluster
let image = ''
let scratch = ''

before(async () => {
  untouched = await readMachineState()
  scratch = mkdtempSync(join(tmpdir(), 'sluice-image-'))
  const [made, built] = await Promise.all([
    createOwnedCluster(name),
    buildImage(join(scratch, 'image.tar')),
  ])
  cluster = made
  image = built.name
})
after(async () => {
  await cluster.close()
  rmSync(scratch, { recursive: true, force: true })
})

/** The verbs as people type them. */
const command = (...args: readonly string[]) => [
  process.execPath,
  join(root, 'scripts/cluster.ts'),
  ...args,
]

async function exec(pod: string, script: string): Promise<string> {
  return cluster.kubectl(['exec', pod, '--', '/usr/bin/node', '--eval', script])
}

const fetchText = (url: string) => `
  fetch(${JSON.stringify(url)}, { signal: AbortSignal.timeout(5000) })
    .then((answer) => answer.text())
    .then(console.log, (error) => { console.error(error); process.exit(1) })`

const server = `
  console.log('serving')
  const { createServer } = require('node:http')
  createServer((_, answer) => answer.end(process.env.HOSTNAME)).listen(8080, '::')`

async function addressesOf(pod: string): Promise<readonly string[]> {
  const path = 'jsonpath={.status.podIPs[*].ip}'
  return (await cluster.kubectl(['get', 'pod', pod, '-o', path])).split(' ')
}

const inUrl = (address: string) => (address.includes(':') ? `[${address}]` : address)

test('both nodes are Ready, and status says what runs', async () => {
  const { stdout, status } = await tryCommand(command('status', '--name', name, '-o', 'json'))
  const said = JSON.parse(stdout) as ClusterStatus
  assert.equal(status, 0, stdout)
  assert.ok(said.ok)
  assert.deepEqual(
    said.nodes?.map((node) => [node.name, node.ready, node.addresses.length]),
    [
      ['node1', true, 2],
      ['node2', true, 2],
    ],
  )
  const version = await cluster.kubectl(['version', '-o', 'json'])
  assert.match(version, /"gitVersion": "v1\.36\.3"/)
})

test('a second cluster of the same name is refused, and the first one stays', async () => {
  const { status, stderr } = await tryCommand(command('up', '--name', name), {
    timeoutMs: 2 * minuteMs,
  })
  assert.equal(status, 1)
  assert.match(stderr, /exists: `npm run cluster -- down --name/)
  assert.ok((await cluster.kubectl(['get', 'nodes', '-o', 'name'])).includes('node/node1'))
})

test('an image is loaded onto every node without a registry', async () => {
  await run(command('load', '--name', name, join(scratch, 'image.tar')), {
    timeoutMs: 4 * minuteMs,
  })
  for (const node of cluster.nodes) {
    const list = await cluster.exec(node, ['/run/parts/ctr', '-n', 'k8s.io', 'images', 'ls', '-q'])
    assert.ok(list.split('\n').includes(image), list)
  }
})

test('pods of two nodes talk by pod address, ClusterIP and name, in both families', async () => {
  const node = ['/usr/bin/node', '--eval', server]
  const pods = cluster.nodes.map((at, index) => ({
    name: `web${index + 1}`,
    node: at,
    image,
    command: node,
    labels: { app: 'web', pod: `web${index + 1}` },
  }))
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web2', namespace: 'default' },
    spec: {
      selector: { pod: 'web2' },
      ipFamilyPolicy: 'RequireDualStack',
      ports: [{ port: 80, targetPort: 8080 }],
    },
  }
  await runPods(cluster, pods)
  await apply(cluster.kubectl, [service])
  await podsReady(cluster, ['web1', 'web2'])
  assert.equal((await cluster.kubectl(['logs', 'web2'])).trim(), 'serving')

  const clusterIps = await cluster.kubectl([
    'get',
    'service',
    'web2',
    '-o',
    'jsonpath={.spec.clusterIPs[*]}',
  ])
  const addresses = await addressesOf('web2')
  assert.equal(addresses.length, 2)
  const urls = [
    ...addresses.map((address) => `http://${inUrl(address)}:8080`),
    ...clusterIps.split(' ').map((address) => `http://${inUrl(address)}`),
    'http://web2',
    'http://web2.default.svc.cluster.local',
  ]
  for (const url of urls) {
    // kube-proxy follows the endpoints a moment later.
    const answer = await waitFor(url, () => exec('web1', fetchText(url)), minuteMs)
    assert.equal(answer.trim(), 'web2', url)
  }
})

test('a drop like a NetworkPolicy holds for its pod alone, until it is taken away', async () => {
  const [address = ''] = await addressesOf('web2')
  const ask = fetchText(`http://${address}:8080`)
  const undo = await cluster.deny({ from: 'default/web1', to: 'default/web2', port: 8080 })
  await assert.rejects(exec('web1', ask), /TimeoutError|timeout/)
  assert.equal((await exec('web2', ask)).trim(), 'web2')
  await undo()
  assert.equal((await exec('web1', ask)).trim(), 'web2')
})

test('a cut link cuts a node off, until it is mended', async () => {
  const [address = ''] = await addressesOf('web2')
  const ask = fetchText(`http://${address}:8080`)
  const undo = await cluster.cutLink('node2')
  await assert.rejects(exec('web1', ask), /TimeoutError|timeout|EHOSTUNREACH/)
  await undo()
  const answer = await waitFor('web2 to be reached', () => exec('web1', ask), minuteMs)
  assert.equal(answer.trim(), 'web2')
})

test('preflight runs in a pod of each node, and finds that node fit', async () => {
  const names = cluster.nodes.map((node) => `preflight-${node}`)
  const preflight = ['/usr/bin/sluice', 'preflight', '-o', 'json']
  await runPods(
    cluster,
    cluster.nodes.map((node) => ({
      name: `preflight-${node}`,
      node,
      image,
      command: preflight,
      privileged: true,
    })),
  )
  for (const pod of names) {
    const verdict = await waitFor(
      `${pod} to answer`,
      async () => {
        const phase = ['get', 'pod', pod, '-o', 'jsonpath={.status.phase}']
        if (!/Succeeded|Failed/.test(await cluster.kubectl(phase))) return undefined
        return JSON.parse(await cluster.kubectl(['logs', pod])) as Verdict
      },
      3 * minuteMs,
    )
    const failed = verdict.checks.filter(({ status }) => status === 'fail')
    assert.deepEqual(failed, [], pod)
    assert.ok(verdict.ok)
  }
})

interface Verdict {
  readonly ok: boolean
  readonly checks: readonly { readonly id: string; readonly status: string }[]
}

test('a node whose power fails is back with its pods', async () => {
  await cluster.powerOff('node2')
  assert.throws(() => cluster.place('node2'), /node2 of cluster .* does not run/)
  await cluster.boot('node2')
  await waitFor(
    'CoreDNS of node2 to be ready again, in a new container',
    async () => {
      const where = ['--namespace=kube-system', '--field-selector=spec.nodeName=node2']
      const path = 'jsonpath={.items[*].status.containerStatuses[*]}'
      const said = await cluster.kubectl(['get', 'pods', ...where, '-o', path])
      const { ready, restartCount } = JSON.parse(said) as ContainerStatus
      return ready && restartCount > 0
    },
    2 * minuteMs,
  )
})

interface ContainerStatus {
  readonly ready: boolean
  readonly restartCount: number
}

test('services come back after a kill, and down removes what is half dead', async () => {
  const control = cluster.place('control')
  await cluster.stop('control', 'kube-apiserver')
  await cluster.start('control', 'kube-apiserver')

  const unified = unifiedFolder(clusterCgroup(name), control.hierarchies)
  const pids = processesBelow(unified)
  const namespaces = namespacesOf(pids)
  // Network, mounts, processes, names and cgroups of two nodes, the control plane, pods.
  assert.ok(pids.length > 15 && namespaces.size > 15, `${pids.length}, ${namespaces.size}`)

  const etcd = serviceProcess(control, 'etcd')
  assert.ok(etcd !== undefined)
  kill(etcd)
  kill(cluster.place('node1').init)
  kill(control.init)
  const { status, stdout } = await tryCommand(command('status', '--name', name), {
    timeoutMs: 2 * minuteMs,
  })
  assert.equal(status, 1)
  assert.match(stdout, /× etcd/)
  assert.match(await run(command('down', '--name', name), { timeoutMs: 2 * minuteMs }), /is down/)
  await waitFor(
    'the machine to be as it was',
    async () => {
      const left = [
        ...added(untouched, await readMachineState()).filter(isOurs),
        ...(await standing(namespaces)),
      ]
      if (left.length === 0) return true
      throw new Error(`left: ${left.slice(0, 20).join('; ')}`)
    },
    minuteMs,
  )
})
