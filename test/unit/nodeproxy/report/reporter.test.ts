// Nodes that tell of their pods, over real gRPC beside their configuration.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { NodeState, PodReport } from '../../../../src/model/report.ts'
import { encodeReport } from '../../../../src/model/wire/report-message.ts'
import { type GrpcCall, openGrpcCall } from '../../../../src/nodeproxy/config/grpc-call.ts'
import { createReportSupply } from '../../../../src/nodeproxy/report/report-feed.ts'
import type { ReportChannel } from '../../../../src/nodeproxy/report/reporter.ts'
import { createPublisher, type Publisher } from '../../../../src/operator/publish/publisher.ts'
import { openReportBook } from '../../../../src/operator/report/report-book.ts'
import { enrolment } from '../../model/builders.ts'
import { nodeFacts, podReport } from '../../operator/report/reports.ts'
import { eventually, openSite, serverName, type Site } from '../config/grpc-support.ts'

function published(...nodes: readonly string[]): Publisher {
  const publisher = createPublisher('a')
  publisher.replace(nodes.map((node) => enrolment(node, node)))
  return publisher
}

/** A node that has something to say. */
function speaking(...pods: readonly PodReport[]) {
  const supply = createReportSupply()
  let state: NodeState = { facts: nodeFacts(), pods: new Map() }
  const say = (...now: readonly PodReport[]) => {
    state = { ...state, pods: new Map(now.map((pod) => [pod.uid, pod])) }
    supply.changed()
  }
  say(...pods)
  supply.supply(() => state)
  return { supply, say }
}

/** A node that sends what the test says. */
function openRaw(t: TestContext, site: Site, node: string) {
  const received: Uint8Array[] = []
  const ended: boolean[] = []
  let reports: ReportChannel | undefined
  let opened = false
  const token = `token-of-${node}`
  const target = { address: site.address, serverName, ca: site.authority.certificate, token }
  const call: GrpcCall = openGrpcCall(target, {
    onOpen: () => void (opened = true),
    onMessage: () => {},
    onEnd: () => {},
  })
  t.after(() => call.close())
  return {
    received,
    ended,
    opened: () => opened,
    call,
    begin() {
      reports = call.openReports({
        onDrain: () => {},
        onMessage: (bytes) => void received.push(bytes),
        onEnd: (again) => void ended.push(again),
      })
    },
    write: (bytes: Uint8Array) => reports?.write(bytes),
  }
}

test('what a node says of its pods is known to the replica that it is connected to', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  await site.serve(publisher, { reports: book })
  const { supply, say } = speaking(podReport('uid-n0', { state: 'starting' }))
  const { store } = site.openStore('n0', { reports: supply })
  await eventually(() => book.node('n0')?.pods.get('uid-n0')?.state === 'starting')
  assert.deepEqual(book.node('n0')?.facts, nodeFacts())
  say(podReport('uid-n0', { state: 'enrolled', sinceSeconds: 7 }))
  await eventually(() => book.node('n0')?.pods.get('uid-n0')?.sinceSeconds === 7)
  say()
  await eventually(() => book.node('n0')?.pods.size === 0)
  assert.equal(book.counts.foreign, 0)
  await store.close()
  await eventually(() => book.node('n0') === undefined)
})

test('a replica that takes over is told everything, and the other one knows nothing', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const first = openReportBook(publisher)
  const server = await site.serve(publisher, { reports: first })
  const { supply } = speaking(podReport('uid-n0'))
  site.openStore('n0', { reports: supply })
  await eventually(() => first.node('n0')?.pods.size === 1)
  await server.close()
  const second = openReportBook(publisher)
  await site.serve(publisher, { reports: second })
  await eventually(() => second.node('n0')?.pods.size === 1)
  assert.equal(first.node('n0'), undefined)
})

test('a pod that the operator does not know yet is told again until it does', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  await site.serve(publisher, { reports: book })
  const { supply } = speaking(podReport('uid-n0'), podReport('uid-late'))
  site.openStore('n0', { reports: supply })
  await eventually(() => book.counts.foreign > 0)
  assert.deepEqual([...(book.node('n0')?.pods.keys() ?? [])], ['uid-n0'])
  publisher.apply({ upserts: [enrolment('late', 'n0')], removals: [] })
  await eventually(() => {
    supply.changed()
    return book.node('n0')?.pods.has('uid-late') === true
  })
})

test('nothing is taken before the operator knows whose the pods are', async (t) => {
  const site = await openSite(t)
  const publisher = createPublisher('a')
  const book = openReportBook(publisher)
  await site.serve(publisher, { reports: book })
  const node = openRaw(t, site, 'n0')
  await eventually(node.opened)
  node.begin()
  const pods = [podReport('uid-n0')]
  node.write(encodeReport({ initial: true, facts: undefined, pods, gone: [] }))
  publisher.replace([enrolment('n0', 'n0')])
  await eventually(() => book.node('n0')?.pods.size === 1)
  assert.equal(book.counts.foreign, 0)
})

test("a node's claim to another node's pod is dropped, told and counted", async (t) => {
  const site = await openSite(t)
  const publisher = published('n0', 'n1')
  const book = openReportBook(publisher)
  await site.serve(publisher, { reports: book })
  const { supply } = speaking(podReport('uid-n1'))
  site.openStore('n1', { reports: supply })
  await eventually(() => book.node('n1')?.pods.size === 1)
  const thief = openRaw(t, site, 'n0')
  await eventually(thief.opened)
  thief.begin()
  const pods = [podReport('uid-n1', { state: 'failed' })]
  thief.write(encodeReport({ initial: true, facts: undefined, pods, gone: ['uid-n1'] }))
  await eventually(() => thief.received.length === 1)
  assert.equal(book.node('n1')?.pods.get('uid-n1')?.state, 'enrolled')
  assert.equal(book.node('n0')?.pods.size, 0)
  assert.equal(book.counts.foreign, 1)
})

test('who has no token that is good reports nothing', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  let good = true
  const server = await site.serve(publisher, {
    reports: book,
    authenticate: async () =>
      good
        ? { node: 'n0', expiresAtMs: Date.now() + 60_000 }
        : { error: 'not any more', later: false },
  })
  const node = openRaw(t, site, 'n0')
  await eventually(node.opened)
  good = false
  node.begin()
  node.write(
    encodeReport({ initial: true, facts: undefined, pods: [podReport('uid-n0')], gone: [] }),
  )
  await eventually(() => node.ended.length === 1)
  assert.equal(book.nodes, 0)
  assert.equal(server.refused, 1)
})

test('a report that is too large, or none, ends its stream alone', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  await site.serve(publisher, { reports: book, reportLimits: { messageBytes: 10_000 } })
  const node = openRaw(t, site, 'n0')
  await eventually(node.opened)
  for (const [index, bytes] of [new Uint8Array(10_001), new Uint8Array([255, 255])].entries()) {
    node.begin()
    node.write(bytes)
    await eventually(() => node.ended.length === index + 1)
  }
  assert.equal(book.nodes, 0)
  node.begin()
  node.write(
    encodeReport({ initial: true, facts: undefined, pods: [podReport('uid-n0')], gone: [] }),
  )
  await eventually(() => book.node('n0')?.pods.size === 1)
})

test('who reports faster than the rate is read later, and all of it is read', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  await site.serve(publisher, {
    reports: book,
    reportLimits: { messages: { burst: 2, perSecond: 100 } },
  })
  const node = openRaw(t, site, 'n0')
  await eventually(node.opened)
  node.begin()
  for (let sinceSeconds = 1; sinceSeconds <= 40; sinceSeconds += 1) {
    const pods = [podReport('uid-n0', { sinceSeconds })]
    node.write(encodeReport({ initial: sinceSeconds === 1, facts: undefined, pods, gone: [] }))
  }
  await eventually(() => book.node('n0')?.pods.get('uid-n0')?.sinceSeconds === 40)
  assert.equal(book.counts.taken, 40)
})

test('of two proxies of one node the later reports, and the earlier does not fight', async (t) => {
  const site = await openSite(t)
  const publisher = published('n0')
  const book = openReportBook(publisher)
  const server = await site.serve(publisher, { reports: book })
  const earlier = openRaw(t, site, 'n0')
  await eventually(earlier.opened)
  earlier.begin()
  earlier.write(encodeReport({ initial: true, facts: nodeFacts(), pods: [], gone: [] }))
  await eventually(() => book.node('n0') !== undefined)
  const { supply } = speaking(podReport('uid-n0'))
  site.openStore('n0', { reports: supply })
  await eventually(() => book.node('n0')?.pods.size === 1)
  await eventually(() => earlier.ended.length === 1)
  assert.deepEqual(earlier.ended, [false])
  assert.equal(server.streams, 2)
})

test('an operator that is older feeds the node as before', async (t) => {
  const site = await openSite(t)
  await site.serve(published('n0'))
  const { supply } = speaking(podReport('uid-n0'))
  const { store } = site.openStore('n0', { reports: supply })
  await eventually(() => store.complete)
  const node = openRaw(t, site, 'n0')
  await eventually(node.opened)
  node.begin()
  await eventually(() => node.ended.length === 1)
  assert.deepEqual(node.ended, [false])
  assert.equal(store.status().connected, true)
})
