// What people's tools ask a replica, over real HTTP, with nodes over real gRPC.
import assert from 'node:assert/strict'
import { networkInterfaces } from 'node:os'
import test, { type TestContext } from 'node:test'
import { addressSubscription } from '../../../../src/model/names.ts'
import type { ConfigRow, NodeRow, PodRow, StatusAnswer } from '../../../../src/model/status.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { createReportSupply } from '../../../../src/nodeproxy/report/report-feed.ts'
import { endpoint, enrolment, pod, service } from '../../model/builders.ts'
import { eventually, openSite } from '../../nodeproxy/config/grpc-support.ts'
import { nodeFacts, podReport } from './reports.ts'
import { openReplica, type TestReplica } from './replica.ts'

async function ask<T>({ url }: TestReplica, path: string): Promise<StatusAnswer<T>> {
  const response = await fetch(`${url}${path}`)
  assert.equal(response.status, 200)
  return (await response.json()) as StatusAnswer<T>
}

async function openCluster(t: TestContext) {
  const publisher = createPublisher('a')
  publisher.replace([
    enrolment('web', 'n0'),
    enrolment('db', 'n1', { namespace: 'data' }),
    enrolment('job', 'n0', { enrolled: false, reason: 'not annotated' }),
    pod('web', { addresses: ['10.0.0.1'] }),
    service('web', { addresses: ['10.96.0.1'], endpoints: [endpoint('10.0.0.1')] }),
  ])
  const replica = await openReplica(t, publisher)
  const site = await openSite(t)
  await site.serve(publisher, { reports: replica.reports })
  const supply = createReportSupply()
  const pods = new Map([['uid-web', podReport('uid-web', { sinceSeconds: 77 })]])
  supply.supply(() => ({ facts: nodeFacts(), pods }))
  const { store } = site.openStore('n0', { reports: supply })
  await eventually(() => replica.reports.node('n0') !== undefined && store.complete)
  return { publisher, replica, store }
}

test('every pod has an answer, and what this replica does not hear of says so', async (t) => {
  const { replica } = await openCluster(t)
  const answer = await ask<PodRow>(replica, '/status/pods')
  assert.equal(answer.replica, 'operator-a')
  assert.deepEqual(
    answer.rows.map(({ namespace, name, state, sinceSeconds }) => [
      `${namespace}/${name}`,
      state,
      sinceSeconds,
    ]),
    [
      ['data/db', 'unheard', 0],
      ['shop/job', 'outside', 0],
      ['shop/web', 'inMesh', 77],
    ],
  )
  const { rows } = await ask<PodRow>(replica, '/status/pods?namespace=data')
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['db'],
  )
})

test('nodes are told with what they say, and with their streams', async (t) => {
  const { replica } = await openCluster(t)
  const { rows } = await ask<NodeRow>(replica, '/status/nodes')
  const [first, second] = rows
  assert.deepEqual([first?.node, first?.pods, first?.wanted, first?.inMesh], ['n0', 2, 1, 1])
  assert.deepEqual(first?.facts, nodeFacts())
  assert.equal(first?.streams.length, 1)
  assert.deepEqual([second?.node, second?.facts, second?.streams], ['n1', undefined, []])
})

test('what a node holds is told by version, and what it has not taken as to be sent', async (t) => {
  const { publisher, replica, store } = await openCluster(t)
  assert.deepEqual(await store.resolve('10.96.0.1', 'x'), { state: 'known' })
  const of = async (query = '') => {
    const { rows } = await ask<ConfigRow>(replica, `/status/config?node=n0${query}`)
    assert.equal(rows.length, 1)
    return rows[0]
  }
  // The acknowledgement may be on its way still.
  const isSettled = async () => {
    const row = await of()
    return row?.waiting === false && row.holdings.every(({ held, wanted }) => held === wanted)
  }
  while (!(await isSettled()));
  const settled = await of()
  assert.ok(
    settled?.names.some(({ name, told }) => name.endsWith('10.96.0.1') && told === 'present'),
  )
  const key = 'service/shop/web.shop.svc'
  assert.match(settled?.holdings.find(({ name }) => name === key)?.held ?? '', /^[\w-]{12}$/)
  // A port that no node takes: it stays rejected, and what is held stays the good one.
  const bad = service('web', { addresses: ['10.96.0.1'], ports: [0] })
  publisher.apply({ upserts: [bad], removals: [] })
  const rejected = async () => (await of())?.holdings.find(({ name }) => name === key)
  while ((await rejected())?.rejected !== true);
  const row = await rejected()
  assert.notEqual(row?.held, row?.wanted)
  assert.match((await of())?.lastError ?? '', /port/)
  const content = (await of('&content=true'))?.holdings.find(({ name }) => name === key)?.content
  assert.match(JSON.stringify(content), /10\.96\.0\.1/)
})

test('looking at what a node holds takes no change from it', async (t) => {
  const { publisher, replica, store } = await openCluster(t)
  await store.resolve('10.96.0.1', 'x')
  for (let port = 1; port <= 40; port += 1) {
    publisher.apply({
      upserts: [service('web', { addresses: ['10.96.0.1'], ports: [port] })],
      removals: [],
    })
    await ask<ConfigRow>(replica, '/status/config?node=n0')
  }
  await eventually(() => store.tables.service('shop/web.shop.svc')?.ports[0]?.port === 40)
})

test('wrong questions are explained', async (t) => {
  const { replica } = await openCluster(t)
  assert.equal((await fetch(`${replica.url}/status/config`)).status, 400)
  assert.equal((await fetch(`${replica.url}/status/what`)).status, 404)
})

test('other pods are refused', async (t) => {
  const { replica } = await openCluster(t)
  const address = Object.values(networkInterfaces())
    .flat()
    .find((one) => one?.family === 'IPv4' && !one.internal)?.address
  if (address === undefined)
    return t.skip('this machine has no IPv4 address but loopback: give it one')
  const other = await fetch(`http://${address}:${replica.port}/status/pods`)
  assert.equal(other.status, 403)
  assert.match(await other.text(), /port-forward/)
  assert.equal((await fetch(`http://${address}:${replica.port}/live`)).status, 200)
})

test('a name asked for and answered by nobody is told so', async (t) => {
  const { replica, store } = await openCluster(t)
  await store.resolve('192.0.2.1', 'x')
  const name = addressSubscription('default', '192.0.2.1')
  const told = async () => {
    const { rows } = await ask<ConfigRow>(replica, '/status/config?node=n0')
    return rows[0]?.names.find((one) => one.name === name)?.told
  }
  while ((await told()) !== 'absent');
  assert.equal(await told(), 'absent')
})
