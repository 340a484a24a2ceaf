// `sluice status` and `sluice config`, with the real HTTP port of two replicas.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { CommanderError } from 'commander'
import { registerConfig } from '../../../src/cli/config.ts'
import { registerStatus } from '../../../src/cli/status.ts'
import type { PodReport } from '../../../src/model/report.ts'
import { createPublisher } from '../../../src/operator/publish/publisher.ts'
import { enrolment, pod } from '../model/builders.ts'
import { openReplica, type TestReplica } from '../operator/report/replica.ts'
import { nodeFacts, podReport } from '../operator/report/reports.ts'
import { installed, runVerb, type TestCluster } from './cluster-support.ts'

function published() {
  const publisher = createPublisher('a')
  publisher.replace([
    pod('web', { addresses: ['10.0.0.1'] }),
    enrolment('web', 'n0'),
    enrolment('db', 'n1'),
    enrolment('job', 'n0', { enrolled: false, reason: 'opted out' }),
    enrolment('dns', 'n0', { namespace: 'system', enrolled: false, reason: 'not annotated' }),
  ])
  return publisher
}

function say({ reports }: TestReplica, node: string, ...pods: readonly PodReport[]) {
  reports.open(node, () => {}).take({ initial: true, facts: nodeFacts(), pods, gone: [] })
}

/** Each of two nodes is connected to another replica. */
async function openTwo(t: TestContext): Promise<TestCluster> {
  const first = await openReplica(t, published(), { replica: 'operator-a' })
  const second = await openReplica(t, published(), { replica: 'operator-b', leading: false })
  say(first, 'n0', podReport('uid-web', { sinceSeconds: 700, connectionsBeforeOpen: 2 }))
  say(second, 'n1', podReport('uid-db', { sinceSeconds: 10 }))
  return {
    lists: installed(['operator-a', 'operator-b']),
    replicas: { 'operator-a': first, 'operator-b': second },
  }
}

test('what two replicas know is put together', async (t) => {
  const { text, status, errors } = await runVerb(registerStatus, await openTwo(t), ['status'])
  const lines = text.split('\n')
  assert.match(lines[0] ?? '', /^NAMESPACE {2}POD {2}NODE {2}IN MESH {2}SINCE {2}NOTE$/)
  assert.match(lines[1] ?? '', /^shop +db +n1 +yes +16m$/)
  assert.match(lines[2] ?? '', /^shop +job +n0 +no +- +opted out$/)
  assert.match(lines[3] ?? '', /^shop +web +n0 +yes +5m +2 older connections/)
  assert.match(text, /\n2 of 2 pods that are to be in the mesh are in it\n$/)
  assert.equal(status, 0)
  assert.equal(errors, '')
})

test('a replica that does not answer is told, and what it alone knew is unknown', async (t) => {
  const cluster = await openTwo(t)
  const { 'operator-a': first } = cluster.replicas
  assert.ok(first !== undefined)
  const half = { ...cluster, replicas: { 'operator-a': first } }
  const { text, status, errors } = await runVerb(registerStatus, half, ['status'])
  assert.match(text, /^shop +db +n1 +unknown +- +no agent of node n1/m)
  assert.match(errors, /replica operator-b does not answer: port 15014/)
  assert.equal(status, 1)
})

test('-o json has pods, replicas and who did not answer', async (t) => {
  const cluster = await openTwo(t)
  const { text } = await runVerb(registerStatus, cluster, ['status', '-n', 'shop', '-o', 'json'])
  const answer = JSON.parse(text) as {
    readonly pods: readonly { readonly name: string; readonly state: string }[]
    readonly replicas: readonly { readonly replica: string }[]
    readonly unanswered: readonly unknown[]
  }
  assert.deepEqual(
    answer.pods.map(({ name, state }) => [name, state]),
    [
      ['db', 'inMesh'],
      ['job', 'outside'],
      ['web', 'inMesh'],
    ],
  )
  assert.deepEqual(
    answer.replicas.map(({ replica }) => replica),
    ['operator-a', 'operator-b'],
  )
  assert.deepEqual(answer.unanswered, [])
})

test('pods with older connections alone, and namespaces without the mesh', async (t) => {
  const cluster = await openTwo(t)
  const older = await runVerb(registerStatus, cluster, ['status', '--old-connections'])
  assert.match(older.text, /web/)
  assert.ok(!older.text.includes('db'))
  const few = await runVerb(registerStatus, cluster, ['status'])
  assert.ok(!few.text.includes('dns'))
  const all = await runVerb(registerStatus, cluster, ['status', '-A'])
  assert.match(all.text, /^system +dns +n0 +no +- +not annotated$/m)
})

test('without an operator, or when none answers, it says what to do', async (t) => {
  const cluster = await openTwo(t)
  const none = { ...cluster, lists: installed([]) }
  await assert.rejects(runVerb(registerStatus, none, ['status']), /is Sluice installed there\?/)
  const silent = { ...cluster, replicas: {} }
  await assert.rejects(runVerb(registerStatus, silent, ['status']), /no replica .* answers/)
  await assert.rejects(runVerb(registerStatus, cluster, ['status', '-o', 'xml']), CommanderError)
})

test('config node shows what the node holds, and what it is to be sent', async (t) => {
  const publisher = published()
  const replica = await openReplica(t, publisher)
  const cluster = { lists: installed(['operator-a']), replicas: { 'operator-a': replica } }
  const deltas: string[] = []
  const session = publisher.connect('n0', [], ({ nonce }) => void deltas.push(nonce))
  const args = ['config', 'node', 'n0']
  const before = await runVerb(registerConfig, cluster, args)
  assert.match(before.text, /served by {5}operator-a\nacknowledged {2}nothing yet/)
  assert.match(before.text, /on its way {4}a delta/)
  assert.match(before.text, /^enrolment\/uid-web +- +[\w-]{12} +to be sent$/m)
  session.ack(deltas[0] ?? '')
  const after = await runVerb(registerConfig, cluster, args)
  assert.match(after.text, /0 differ from what is published\n$/)
  const all = await runVerb(registerConfig, cluster, [...args, '--all'])
  assert.match(all.text, /^enrolment\/uid-web +[\w-]{12} +[\w-]{12} +held$/m)
  assert.equal(all.status, 0)
  const json = await runVerb(registerConfig, cluster, [...args, '-o', 'json'])
  assert.match(json.text, /"reason": "opted out"/)
})

test('config of a node that nobody serves says so', async (t) => {
  const cluster = await openTwo(t)
  const { status, errors, text } = await runVerb(registerConfig, cluster, ['config', 'node', 'n7'])
  assert.equal(status, 1)
  assert.equal(text, '')
  assert.match(errors, /node n7 has no stream to any replica/)
})
