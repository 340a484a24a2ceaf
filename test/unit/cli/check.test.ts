// `sluice check`, with the real HTTP port of the operator.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { registerCheck } from '../../../src/cli/check.ts'
import type { NodeFacts, PodReport } from '../../../src/model/report.ts'
import type { ReplicaFacts } from '../../../src/model/status.ts'
import { packageVersion } from '../../../src/package-version.ts'
import { createPublisher } from '../../../src/operator/publish/publisher.ts'
import { enrolment } from '../model/builders.ts'
import { openReplica } from '../operator/report/replica.ts'
import { nodeFacts, podReport } from '../operator/report/reports.ts'
import { installed, operatorPod, runVerb, type TestCluster } from './cluster-support.ts'

const own = 'sluice-system'
const version = packageVersion()

interface Changes {
  readonly facts?: Partial<NodeFacts>
  readonly pod?: Partial<PodReport>
  readonly replica?: Partial<ReplicaFacts>
  readonly policies?: readonly object[]
  readonly lists?: TestCluster['lists']
}

function node(name: string): object {
  return { metadata: { name }, status: { conditions: [{ type: 'Ready', status: 'True' }] } }
}

/** One where all is well, but for what the test says. */
async function openCluster(t: TestContext, changes: Changes = {}): Promise<TestCluster> {
  const publisher = createPublisher('a')
  publisher.replace([enrolment('web', 'n0')])
  const replica = await openReplica(t, publisher, { version, ...changes.replica })
  replica.reports
    .open('n0', () => {})
    .take({
      initial: true,
      facts: nodeFacts({ version, ...changes.facts }),
      pods: [podReport('uid-web', changes.pod)],
      gone: [],
    })
  const set = { desiredNumberScheduled: 1, updatedNumberScheduled: 1, numberReady: 1 }
  return {
    lists: {
      ...installed(['operator-a']),
      [`/api/v1/namespaces/${own}/pods nodeproxy`]: [operatorPod('nodeproxy-x')],
      [`/apis/apps/v1/namespaces/${own}/daemonsets nodeproxy`]: [
        { metadata: { name: 'nodeproxy' }, status: set },
      ],
      '/api/v1/nodes': [node('n0')],
      '/apis/networking.k8s.io/v1/networkpolicies': changes.policies ?? [],
      '/api/v1/namespaces/shop/pods': [
        { metadata: { namespace: 'shop', name: 'web', uid: 'uid-web', labels: { app: 'web' } } },
      ],
      ...changes.lists,
    },
    replicas: { 'operator-a': replica },
  }
}

async function check(t: TestContext, changes: Changes = {}) {
  return runVerb(registerCheck, await openCluster(t, changes), ['check'])
}

test('where all is well it says so, section by section', async (t) => {
  const { text, status } = await check(t)
  assert.match(text, /^kubernetes-api\n-{14}\n√ the Kubernetes API answers \(v1\.34\.2\)\n/)
  assert.match(text, /√ the agent of each node reports \(1 of 1\)/)
  assert.ok(!/[‼×]/u.test(text), text)
  assert.match(text, /\nStatus check results are √\n$/)
  assert.equal(status, 0)
})

const faults: readonly (readonly [what: string, changes: Changes, said: RegExp, status: number])[] =
  [
    [
      'a node that nothing is heard from',
      { lists: { '/api/v1/nodes': [node('n0'), node('n1')] } },
      /× the agent of each node reports \(1 of 2\)\n {4}nothing is heard from n1\n {4}hint:/,
      1,
    ],
    [
      'hooks that are not attached',
      { facts: { features: [{ name: 'hooks', on: false, reason: 'EPERM' }] } },
      /× hooks are attached\n {4}n0: hooks: EPERM\n {4}hint: sluice preflight/,
      1,
    ],
    [
      'a kernel that lacks a feature',
      { facts: { features: [{ name: 'acceleration', on: false, reason: 'no sk_msg' }] } },
      /‼ kernels have all features\n {4}n0: acceleration: no sk_msg/,
      0,
    ],
    [
      'a map that fills',
      { facts: { maps: [{ map: 'origins', percent: 85, maxEntries: 10 }] } },
      /‼ kernel maps have room\n {4}n0: origins is 85 % full of 10/,
      0,
    ],
    [
      'a map that is full',
      { facts: { maps: [{ map: 'origins', percent: 100, maxEntries: 10 }] } },
      /× kernel maps have room\n {4}n0: origins is 100 % full/,
      1,
    ],
    [
      'a node of another version',
      { facts: { version: '9.9.9' } },
      /‼ nodes run this command's version\n {4}n0: 9\.9\.9/,
      0,
    ],
    [
      'a pod that cannot be enrolled',
      { pod: { state: 'failed', reason: 'no address' } },
      /× pods that are to be in the mesh are in it \(0 of 1\)\n {4}shop\/web \(no address\)/,
      1,
    ],
    [
      'connections that are older',
      { pod: { connectionsBeforeOpen: 1 } },
      /‼ connections of pods are all in the mesh\n {4}some are older .* shop\/web/,
      0,
    ],
    [
      'a replica that has not listed everything',
      { replica: { notReady: 'Pod: 403' } },
      /× its replicas serve what the cluster says\n {4}operator-a: Pod: 403/,
      1,
    ],
    ['no leader', { replica: { leading: false } }, /‼ one replica leads\n {4}none does/, 0],
    [
      'bad objects',
      { replica: { problems: ['Pod shop/x: spec.y is z'] } },
      /‼ the cluster's objects are as they should be\n {4}Pod shop\/x: spec\.y is z/,
      0,
    ],
    [
      'what may not be asked for',
      { lists: { '/apis/networking.k8s.io/v1/networkpolicies': undefined as never } },
      /‼ nodes may reach the operator's port 15012\n {4}GET .* 403 forbidden/,
      0,
    ],
    [
      'a policy that closes the operator',
      {
        policies: [
          {
            metadata: { namespace: own, name: 'deny' },
            spec: { podSelector: {}, policyTypes: ['Ingress'] },
          },
        ],
      },
      /‼ nodes may reach the operator's port 15012\n {4}closed: sluice-system\/operator-a/,
      0,
    ],
    [
      'a policy that closes the tunnel between pods',
      {
        policies: [
          {
            metadata: { namespace: 'shop', name: 'web' },
            spec: {
              podSelector: { matchLabels: { app: 'web' } },
              ingress: [{ ports: [{ port: 8080 }] }],
            },
          },
        ],
      },
      /‼ pods of the mesh .* port 15008\n {4}closed: shop\/web, Ingress, by shop\/web/,
      0,
    ],
  ]

for (const [what, changes, said, expected] of faults) {
  test(`${what}: told with a hint`, async (t) => {
    const { text, status } = await check(t, changes)
    assert.match(text, said)
    assert.equal(status, expected)
  })
}

test('without an API server nothing else is said', async () => {
  const { text, status } = await runVerb(registerCheck, { lists: {}, replicas: {}, away: true }, [
    'check',
  ])
  assert.match(text, /× the Kubernetes API answers\n {4}the API server test:6443 does not answer/)
  assert.equal(text.split('\n').filter((line) => /^[√‼×]/u.test(line)).length, 1)
  assert.equal(status, 1)
})

test('without an operator it says what to install', async (t) => {
  const { text, status } = await check(t, { lists: installed([]) })
  assert.match(text, /× the operator is installed\n {4}no pod of it in namespace sluice-system\n/)
  assert.equal(status, 1)
})

test('-o json has each finding, and the worst of them', async (t) => {
  const cluster = await openCluster(t, { pod: { connectionsBeforeOpen: 1 } })
  const { text, status } = await runVerb(registerCheck, cluster, ['check', '-o', 'json'])
  const answer = JSON.parse(text) as {
    readonly status: string
    readonly checks: readonly { readonly status: string; readonly hint: string }[]
  }
  assert.equal(answer.status, 'warn')
  const bad = answer.checks.filter((one) => one.status !== 'ok')
  assert.equal(bad.length, 1)
  assert.match(bad[0]?.hint ?? '', /--old-connections/)
  assert.equal(status, 0)
})
