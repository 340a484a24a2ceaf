// The command against a real cluster: what it says of nodes, pods and objects, and that it is so.
import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { apply } from '../../scripts/cluster/kubectl.ts'
import { run } from '../../scripts/command.ts'
import { root } from '../../scripts/tools.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { ClusterVerdict } from '../../src/cli/preflight/cluster-verdict.ts'
import type { PodRow } from '../../src/model/status.ts'
import { type Ran, startCli } from './support/cli.ts'
import { type CliCluster, createCliCluster, minuteMs, own } from './support/cli-cluster.ts'
import { meshConfig, service, slice } from './support/cli-objects.ts'
import { client, objectsOfShop } from './support/cli-shop.ts'

const probes = 'app.kubernetes.io/component=preflight'

let cluster: CliCluster
before(async () => {
  cluster = await createCliCluster(`cli-${process.pid}`)
})
after(async () => cluster?.close())

async function preflight(...args: readonly string[]): Promise<Ran> {
  return cluster.sluice('preflight', '--cluster', '--image', cluster.image, ...args)
}

async function namespacesOfProbes(): Promise<string> {
  return cluster.kubectl(['get', 'namespaces', '--selector', probes, '-o', 'name'])
}

async function nothingIsLeft(): Promise<void> {
  const none = async () => (await namespacesOfProbes()) === ''
  await waitFor('the namespaces of preflight to go', none, 2 * minuteMs)
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

test('Ctrl-C leaves nothing behind', async () => {
  const running = cluster.startSluice('preflight', '--cluster', '--image', cluster.image)
  await waitFor('its namespace', async () => (await namespacesOfProbes()) !== '', minuteMs)
  running.interrupt()
  const ended = await running.ended
  assert.deepEqual([ended.stdout, ended.status], ['', 130])
  assert.match(ended.stderr, /interrupted; what it made is being deleted/)
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
  const file = join(cluster.scratch, 'kubeconfig')
  copyFileSync(cluster.kubeconfig, file)
  const context = (await cluster.kubectl(['config', 'current-context'])).trim()
  const path = `${join(root, 'scripts')}:${cluster.bin}:${process.env['PATH']}`
  const options = ['--kubeconfig', file, '--context', context, '-o', 'json']
  const plugin = ['kubectl', 'sluice']
  const nowhere = { PATH: path, KUBECONFIG: '/nonexistent', HOME: cluster.scratch }
  // A node's first report may be on its way.
  const { checks } = await waitFor(
    'check to find all well',
    async () => {
      const { stdout, status } = await startCli(['check', ...options], nowhere, plugin).ended
      if (status !== 0) throw new Error(stdout)
      return JSON.parse(stdout) as { checks: readonly { title: string; status: string }[] }
    },
    2 * minuteMs,
  )
  assert.ok(checks.length > 15)
  const agents = checks.find(({ title }) => title.startsWith('the agent of each node reports'))
  assert.deepEqual(agents?.status, 'ok')

  const wrong = await startCli(['check', '--context', 'none'], { KUBECONFIG: file }).ended
  assert.deepEqual([wrong.status, wrong.stdout], [1, ''])
  assert.match(wrong.stderr, /has no context none: it has /)
  const without = await startCli(['check'], nowhere).ended
  assert.equal(without.status, 1)
  const elsewhere = await cluster.sluice('status', '--sluice-namespace', 'default')
  assert.match(elsewhere.stderr, /no pod of Sluice's operator in namespace default/)
})

test('every pod says whether it is in the mesh, and if not, why', async () => {
  await apply(cluster.kubectl, objectsOfShop(cluster.image, cluster.nodes))
  const ready = ['web', 'client', 'scanner', 'host', 'out'].map((name) => `pod/${name}`)
  const options = ['--namespace=shop', '--for=condition=Ready', '--timeout=120s']
  await cluster.kubectl(['wait', ...ready, ...options], { timeoutMs: 3 * minuteMs })
  await cluster.trafficGoesOn(5)
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'sluice.dev/enroll=true'])
  const pods = await waitFor(
    'all to be in the mesh',
    async () => {
      const found = await cluster.podsOfShop()
      return (
        ['web', 'client', 'scanner'].every((name) => found.get(name)?.state === 'inMesh') && found
      )
    },
    2 * minuteMs,
  )
  const nowS = Date.now() / 1_000
  const since = pods.get('client')?.sinceSeconds ?? 0
  assert.ok(since > nowS - 300 && since <= nowS, `${since}`)
  const why = (name: string) => `${pods.get(name)?.state}: ${pods.get(name)?.why}`
  assert.match(why('host'), /^outside: hostNetwork: it shares/)
  assert.equal(why('out'), 'outside: opted out')
  assert.match(why('sealed'), /^outside: sandboxed runtime \(RuntimeClass sealed, handler kata/)
  const { stdout, status } = await cluster.sluice('status', '-n', 'shop')
  assert.equal(status, 0)
  assert.match(stdout, /^shop +out +\S+ +no +\S+ +opted out$/m)
  assert.match(stdout, /^3 of 3 pods that are to be in the mesh are in it$/m)

  assert.match(await cluster.event('host', 'SluiceNotEnrolled'), /hostNetwork/)
  assert.match(await cluster.event('sealed', 'SluiceNotEnrolled'), /sandboxed runtime/)
  const described = await cluster.kubectl(['describe', 'pod', 'host', '--namespace=shop'])
  assert.match(described, /SluiceNotEnrolled/)
  assert.deepEqual(await cluster.eventsOf('out', 'SluiceNotEnrolled'), [])
})

test('older connections are told, and reset once an annotation says so', async () => {
  const older = async (name: string) => (await cluster.podsOfShop()).get(name)?.olderConnections
  await waitFor('it to be told', async () => (await older('client')) === 1, minuteMs)
  const { stdout } = await cluster.sluice('status', '--old-connections', '-n', 'shop')
  assert.match(stdout, /^shop +client .*1 older connection is not in the mesh/m)
  const first = await cluster.counts()
  await cluster.kubectl(['annotate', 'namespace', 'shop', 'sluice.dev/old-connections=reset'])
  await waitFor('the reset', async () => (await cluster.counts()).resets > first.resets, minuteMs)
  await waitFor('none to be left', async () => (await older('client')) === 0, minuteMs)
  await cluster.trafficGoesOn(10)
})

test('a MeshConfig is explained, shown, and says of which generation it speaks', async () => {
  const { properties } = await meshConfigSpec()
  for (const field of Object.keys(properties)) {
    const text = await cluster.kubectl(['explain', `meshconfig.spec.${field}`])
    assert.match(text, /DESCRIPTION:\s+\S+ \S+/, field)
  }
  await apply(cluster.kubectl, [meshConfig('default', { outside: 'allow' })])
  const accepted = ['get', 'meshconfig', 'default', '-o', 'json']
  for (const generation of [1, 2]) {
    await waitFor(
      `generation ${generation} to be in force`,
      async () => {
        const { metadata, status } = JSON.parse(await cluster.kubectl(accepted)) as {
          metadata: { generation: number }
          status?: { conditions?: { status: string; observedGeneration: number }[] }
        }
        const [condition] = status?.conditions ?? []
        assert.equal(metadata.generation, generation)
        return condition?.status === 'True' && condition.observedGeneration === generation
      },
      minuteMs,
    )
    if (generation === 1) {
      await apply(cluster.kubectl, [meshConfig('default', { oldConnections: 'keep' })])
    }
  }
  const shown = await cluster.kubectl(['get', 'meshconfig', '-o', 'wide'])
  assert.match(shown, /ACCEPTED +FAILURE MODE +OUTSIDE .*MESSAGE/)
  assert.match(shown, /^default +True .*it is in force/m)
})

async function meshConfigSpec(): Promise<{ readonly properties: object }> {
  const path = '.spec.versions[0].schema.openAPIV3Schema.properties.spec'
  const crd = ['get', 'crd', 'meshconfigs.sluice.dev', '-o', `jsonpath={${path}}`]
  return JSON.parse(await cluster.kubectl(crd)) as { readonly properties: object }
}

const refusedByTheApiServer: readonly [string, object, RegExp][] = [
  ['a second one', meshConfig('second', {}), /name it 'default'/],
  [
    'an unknown field',
    meshConfig('default', { outsid: 'allow' }),
    /unknown field "(spec\.)?outsid"/,
  ],
  ['a wrong value', meshConfig('default', { outside: 'no' }), /spec.outside: Unsupported value/],
  ['a wrong type', meshConfig('default', { outside: 7 }), /spec.outside.* must be of type string/],
  ['a wrong name', meshConfig('default', { trustDomain: 'A b' }), /is a DNS name/],
]

for (const [what, object, words] of refusedByTheApiServer) {
  test(`MeshConfig, ${what}: refused with field and fix`, async () => {
    await assert.rejects(apply(cluster.kubectl, [object]), words)
  })
}

test('bad objects are told on themselves, and the last good state stays', async () => {
  const wanted = await cluster.podsOfShop()
  await apply(cluster.kubectl, [
    service('portless', { clusterIP: 'None', selector: { app: 'web' } }),
    service('nowhere', { ports: [{ name: 'http', port: 80 }] }),
    slice('nowhere-1', 'nowhere', { targetRef: { kind: 'Pod', name: 'gone', namespace: 'shop' } }),
    slice('orphan', 'nobody', {}),
  ])
  const annotate = async (...args: readonly string[]) =>
    cluster.kubectl(['annotate', '--overwrite', ...args])
  await annotate('namespace', 'shop', 'sluice.dev/enroll=yes')
  await annotate('pod', 'web', '--namespace=shop', 'sluice.dev/acelerate=full')
  const refused = await cluster.event('shop', 'SluiceRefused')
  assert.match(refused, /annotations\[sluice.dev\/enroll\] is "yes".*set one of "true", "false"/)
  assert.match(refused, /"true" stays in force/)
  assert.match(
    await cluster.event('web', 'SluiceWarning'),
    /sluice.dev\/acelerate\] is not known: use one/,
  )
  assert.match(
    await cluster.event('orphan', 'SluiceWarning'),
    /names Service shop\/nobody.*not exist: name/,
  )
  assert.match(await cluster.event('nowhere-1', 'SluiceWarning'), /targetRef names Pod shop\/gone/)
  const { stdout } = await cluster.sluice('check')
  assert.match(stdout, /‼ the cluster's objects are as they should be/)
  const states = (pods: ReadonlyMap<string, PodRow>) =>
    [...pods].map(([name, { state, sinceSeconds }]) => [name, state, sinceSeconds])
  assert.deepEqual(states(await cluster.podsOfShop()), states(wanted))
  for (const node of cluster.nodes) {
    const config = await cluster.sluice('config', 'node', node)
    assert.equal(config.status, 0, config.stderr)
    assert.match(config.stdout, /\(\d+ deltas, 0 rejected\)/)
  }
  await cluster.trafficGoesOn(10)
  const nobody = await cluster.sluice('config', 'node', 'ghost')
  assert.deepEqual([nobody.status, nobody.stdout], [1, ''])
  await annotate('namespace', 'shop', 'sluice.dev/enroll=true')
})

test("a proxy's token opens nothing of the API", async () => {
  const [node = ''] = cluster.nodes
  const read = `process.stdout.write(fs.readFileSync('/var/run/sluice/token/token', 'utf8'))`
  const token = await cluster.inside(await cluster.proxyOn(node), read)
  assert.match(token, /^[\w-]+\.[\w-]+\.[\w-]+$/)
  for (const path of ['/api/v1/pods', '/api/v1/namespaces/default', '/version', '/api']) {
    const ask = ['get', '--raw', path, `--token=${token}`]
    await assert.rejects(cluster.kubectl(ask), /Unauthorized|must be logged in/i, path)
  }
})

test('a pod that scans 10,000 addresses delays nobody, and nothing grows by it', async () => {
  const [node = ''] = cluster.nodes
  const proxy = await cluster.proxyOn(node)
  const subscribed = async () => {
    const script = `fetch('http://127.0.0.1:15020/metrics').then((a) => a.text()).then((t) =>
      process.stdout.write(/^sluice_config_subscribed (\\d+)/m.exec(t)[1]))`
    return Number(await cluster.inside(proxy, script))
  }
  const before = await subscribed()
  const first = await cluster.counts()
  const tried = await cluster.inside('shop/scanner', client.scan(10_000))
  assert.equal(tried.trim(), '10000')
  const more = (await subscribed()) - before
  assert.ok(more > 0 && more <= 2_100, `what one pod asks for is bounded: ${more}`)
  const last = await cluster.counts()
  assert.ok(last.good > first.good, 'others were served meanwhile')
  assert.equal(last.failed, first.failed)
  await cluster.trafficGoesOn(10)
})
