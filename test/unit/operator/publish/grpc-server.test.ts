// Nodes that misbehave, over real gRPC: they cost others nothing.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { addressSubscription } from '../../../../src/model/names.ts'
import { encodeRequest, type DeltaRequest } from '../../../../src/model/wire/request-message.ts'
import { type GrpcCall, openGrpcCall } from '../../../../src/nodeproxy/config/grpc-call.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { endpoint, pod, service } from '../../model/builders.ts'
import { eventually, openSite, serverName, type Site } from '../../nodeproxy/config/grpc-support.ts'

interface RawNode extends GrpcCall {
  readonly received: Uint8Array[]
  readonly ended: string | undefined
  send(request: DeltaRequest): void
}

/** A node that sends what the test says, and answers nothing by itself. */
function openRaw(t: TestContext, site: Site, node: string, token = `token-of-${node}`): RawNode {
  const received: Uint8Array[] = []
  let ended: string | undefined
  const target = { address: site.address, serverName, ca: site.authority.certificate, token }
  const call = openGrpcCall(target, {
    onOpen: () => {},
    onMessage: (bytes) => void received.push(bytes),
    onEnd: (reason) => void (ended = reason),
  })
  t.after(() => call.close())
  return {
    ...call,
    received,
    get ended() {
      return ended
    },
    send: (request) => call.write(encodeRequest(request)),
  }
}

function published() {
  const publisher = createPublisher('a')
  publisher.replace([
    pod('web', { addresses: ['10.0.0.1'] }),
    service('web', { addresses: ['10.96.0.1'], endpoints: [endpoint('10.0.0.1')] }),
  ])
  return publisher
}

test('20 nodes that acknowledge nothing are sent one delta each, whatever changes', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const nodes = Array.from({ length: 20 }, (_, index) => openRaw(t, site, `n${index}`))
  const subscribe = [addressSubscription('default', '10.96.0.1')]
  for (const [index, node] of nodes.entries()) node.send({ node: `n${index}`, subscribe })
  await eventually(() => nodes.every(({ received }) => received.length > 0))
  for (let port = 1; port <= 500; port += 1) {
    publisher.apply({ upserts: [service('web', { ports: [port] })], removals: [] })
  }
  const { store } = site.openStore('good')
  await eventually(() => store.complete)
  assert.ok(nodes.every(({ received }) => received.length === 1))
  assert.ok(publisher.status().sessions.every(({ node, waiting }) => node === 'good' || waiting))
})

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** After what is garbage is gone. */
function heapBytes(): number {
  collect()
  return process.memoryUsage().heapUsed
}

test('20 nodes that subscribe to everything and acknowledge nothing cost no memory', async (t) => {
  const site = await openSite(t)
  const publisher = createPublisher('a')
  const ip = (index: number) => `10.96.${index >> 8}.${index & 255}`
  const all = Array.from({ length: 1_000 }, (_, index) =>
    service(`s${index}`, { addresses: [ip(index)], endpoints: [endpoint('10.0.0.1')] }),
  )
  publisher.replace(all)
  await site.serve(publisher)
  const subscribe = all.map((_, index) => addressSubscription('default', ip(index)))
  const nodes = Array.from({ length: 20 }, (_, index) => openRaw(t, site, `n${index}`))
  for (const [index, node] of nodes.entries()) node.send({ node: `n${index}`, subscribe })
  await eventually(() => nodes.every(({ received }) => received.length > 0))
  const before = heapBytes()
  for (let round = 1; round <= 3; round += 1) {
    for (const [index, { name }] of all.entries()) {
      const changed = service(name, { addresses: [ip(index)], ports: [round] })
      publisher.apply({ upserts: [changed], removals: [] })
    }
  }
  const grownBytes = heapBytes() - before
  assert.ok(nodes.every(({ received, ended }) => received.length === 1 && ended === undefined))
  // 60,000 changes that wait for a node each, in whatever form, would take more.
  assert.ok(grownBytes < 5e6, `${grownBytes} bytes`)
  for (const node of nodes) node.close()
  await eventually(() => publisher.status().sessions.length === 0)
  assert.equal(publisher.status().answers, 0)
})

test('a message that is too large ends its stream alone', async (t) => {
  const site = await openSite(t)
  await site.serve(published(), { limits: { messageBytes: 10_000 } })
  const { store } = site.openStore('good')
  await eventually(() => store.complete)
  const node = openRaw(t, site, 'n0')
  node.send({ node: 'n0', subscribe: Array.from({ length: 2_000 }, (_, n) => `address/d/${n}`) })
  await eventually(() => node.ended !== undefined)
  assert.match(node.ended ?? '', /RESOURCE_EXHAUSTED.*10000|larger/i)
  assert.deepEqual(store.resolve('192.0.2.1', 'x') instanceof Promise, true)
  assert.deepEqual(await store.resolve('192.0.2.1', 'x'), { state: 'absent' })
})

test('who opens stream after stream is told to come back later', async (t) => {
  const site = await openSite(t)
  const server = await site.serve(published(), {
    limits: { streams: { burst: 3, perSecond: 0.01 } },
  })
  const nodes: RawNode[] = []
  for (let index = 0; index < 4; index += 1) {
    const node = openRaw(t, site, 'n0')
    node.send({ node: 'n0' })
    await eventually(() => node.received.length > 0 || node.ended !== undefined)
    nodes.push(node)
    if (index < 3) node.close()
  }
  assert.match(nodes[3]?.ended ?? '', /RESOURCE_EXHAUSTED: node n0 opens too many streams/)
  assert.equal(server.refused, 1)
  const { store } = site.openStore('good')
  await eventually(() => store.complete)
})

test('a node has a few streams at once, and not more', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const nodes = Array.from({ length: 5 }, () => openRaw(t, site, 'n0'))
  for (const node of nodes) node.send({ node: 'n0' })
  await eventually(() => nodes.some(({ ended }) => ended !== undefined))
  assert.match(nodes.find(({ ended }) => ended !== undefined)?.ended ?? '', /streamsPerNode is 4/)
  await eventually(() => publisher.status().sessions.length === 4)
})

test('who sends faster than the rate is read later, and all of it is read', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher, { limits: { messages: { burst: 5, perSecond: 200 } } })
  const node = openRaw(t, site, 'n0')
  node.send({ node: 'n0' })
  for (let index = 0; index < 60; index += 1) {
    node.send({ subscribe: [addressSubscription('default', `10.1.0.${index}`)] })
  }
  await eventually(() => publisher.status().sessions[0]?.subscriptions === 61)
  assert.equal(node.ended, undefined)
})

test('nonsense ends the stream with a reason', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const node = openRaw(t, site, 'n0')
  node.write(new Uint8Array([255, 255, 255]))
  await eventually(() => node.ended !== undefined)
  assert.match(node.ended ?? '', /INVALID_ARGUMENT: no DeltaDiscoveryRequest.*speak delta xDS/)
  assert.equal(publisher.status().sessions.length, 0)
})

test('a node is sent its own pods alone, and is told why', async (t) => {
  const site = await openSite(t)
  await site.serve(published())
  const { store, problems } = site.openStore('n1')
  await eventually(() => store.complete)
  const node = openRaw(t, site, 'n0')
  node.send({ node: 'n0', subscribe: ['node/n1'] })
  await eventually(() => node.received.length > 0)
  assert.match(Buffer.from(node.received[0] ?? []).toString(), /n0 asked for the pods of node n1/)
  assert.deepEqual(problems, [])
})

test('streams of nodes that are gone are forgotten', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  const server = await site.serve(publisher)
  const nodes = Array.from({ length: 3 }, (_, index) => openRaw(t, site, `n${index}`))
  for (const [index, node] of nodes.entries()) node.send({ node: `n${index}` })
  await eventually(() => publisher.status().sessions.length === 3)
  for (const node of nodes) node.close()
  await eventually(() => publisher.status().sessions.length === 0 && server.streams === 0)
  assert.equal(publisher.status().answers, 0)
})

test('while the question who it is has no answer, the node is told to come back', async (t) => {
  const site = await openSite(t)
  const later = async () => ({ error: 'the API server is away', later: true })
  await site.serve(published(), { authenticate: later })
  const { store } = site.openStore('n0')
  await eventually(() => store.status().reason.includes('UNAVAILABLE: the API server is away'))
})
