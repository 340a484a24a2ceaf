// The command against a real cluster: what it says of nodes and of the installation.
import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { apply } from '../../scripts/cluster/kubectl.ts'
import { run } from '../../scripts/command.ts'
import { buildImage } from '../../scripts/image/build.ts'
import { root } from '../../scripts/tools.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { ClusterVerdict } from '../../src/cli/preflight/cluster-verdict.ts'
import { type Ran, runCli } from './support/cli.ts'
import { createOwnedCluster, type OwnedCluster } from './support/owned-cluster.ts'

const minuteMs = 60_000
const own = 'sluice-system'
const probes = 'app.kubernetes.io/component=preflight'

let scratch = ''
let image = ''
let cluster: OwnedCluster
before(async () => {
  scratch = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const [made, built] = await Promise.all([
    createOwnedCluster(`cli-${process.pid}`),
    buildImage(join(scratch, 'image.tar')),
  ])
  cluster = made
  image = built.name
  await cluster.load(built.file)
})
after(async () => {
  await cluster.close()
  rmSync(scratch, { recursive: true, force: true })
})

async function sluice(...args: readonly string[]): Promise<Ran> {
  return runCli(args, { KUBECONFIG: cluster.kubeconfig })
}

async function preflight(...args: readonly string[]): Promise<Ran> {
  return sluice('preflight', '--cluster', '--image', image, ...args)
}

async function namespacesOfProbes(): Promise<string> {
  return cluster.kubectl(['get', 'namespaces', '--selector', probes, '-o', 'name'])
}

async function nothingIsLeft(): Promise<void> {
  await waitFor(
    'the namespaces of preflight to go',
    async () => {
      return (await namespacesOfProbes()) === ''
    },
    2 * minuteMs,
  )
}

test('before the install, every node answers for itself', async () => {
  const { stdout, stderr, status } = await preflight('-o', 'json')
  const verdict = JSON.parse(stdout) as ClusterVerdict
  assert.deepEqual([status, verdict.ok, stderr], [0, true, ''])
  assert.deepEqual(
    verdict.nodes.map(({ node, answered }) => [node, answered]),
    cluster.nodes.map((node) => [node, true]),
  )
  for (const answer of verdict.nodes) {
    assert.ok(answer.answered && answer.verdict.checks.length > 20, answer.node)
  }
  await nothingIsLeft()
})

test('a node that cannot be reached is said', async (t) => {
  const ghost = ['delete', 'node', 'ghost', '--ignore-not-found']
  t.after(async () => cluster.kubectl(ghost))
  await apply(cluster.kubectl, [{ apiVersion: 'v1', kind: 'Node', metadata: { name: 'ghost' } }])
  const { stdout, status } = await preflight()
  assert.equal(status, 1)
  assert.match(stdout, /^ghost +- +unknown$/m)
  assert.match(stdout, /No answer \(ghost\)\s+it cannot be reached: it is not Ready/)
  assert.match(stdout, /runs on 2 of 3 nodes; of 1 it is not known\.\n$/)
  await nothingIsLeft()
})

test('after it, check finds all well, whichever way it is asked', async () => {
  const set = ['--set', 'nodeproxy.drainSeconds=5']
  const where = ['--namespace', own, '--create-namespace']
  const chart = join(root, 'deploy/daemonset')
  const install = ['install', 'sluice', chart, ...where, ...set, '--wait', '--timeout', '5m']
  await run([join(cluster.bin, 'helm'), ...install], {
    env: { KUBECONFIG: cluster.kubeconfig },
    timeoutMs: 6 * minuteMs,
  })
  const file = join(scratch, 'kubeconfig')
  copyFileSync(cluster.kubeconfig, file)
  const context = (await cluster.kubectl(['config', 'current-context'])).trim()
  const path = `${join(root, 'scripts')}:${cluster.bin}:${process.env['PATH']}`
  const options = ['--kubeconfig', file, '--context', context, '-o', 'json']
  const plugin = ['kubectl', 'sluice']
  const nowhere = { PATH: path, KUBECONFIG: '/nonexistent', HOME: scratch }
  // A node's first report may be on its way.
  const { checks } = await waitFor(
    'check to find all well',
    async () => {
      const { stdout, status } = await runCli(['check', ...options], nowhere, plugin)
      if (status !== 0) throw new Error(stdout)
      return JSON.parse(stdout) as { checks: readonly { title: string; status: string }[] }
    },
    minuteMs,
  )
  assert.ok(checks.length > 15)
  const agents = checks.find(({ title }) => title.startsWith('the agent of each node reports'))
  assert.deepEqual(agents?.status, 'ok')

  const wrong = await runCli(['check', '--context', 'none'], { KUBECONFIG: file })
  assert.deepEqual([wrong.status, wrong.stdout], [1, ''])
  assert.match(wrong.stderr, /has no context none: it has /)
  const without = await runCli(['check'], nowhere)
  assert.equal(without.status, 1)
  const elsewhere = await sluice('status', '--sluice-namespace', 'default')
  assert.match(elsewhere.stderr, /no pod of Sluice's operator in namespace default/)
})
