// The source over real gRPC with TLS, against the operator's server.
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import { destinationOf } from '../../../../src/model/destination.ts'
import type { Resource } from '../../../../src/model/resources.ts'
import { createStateFile } from '../../../../src/nodeproxy/config/state-file.ts'
import { compile } from '../../../../src/operator/compile/compile.ts'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { makeAuthority } from '../../../../src/operator/serving/certificates.ts'
import { readGolden } from '../../operator/golden-input.ts'
import { eventually, openSite } from './grpc-support.ts'
import { heldBy } from './support.ts'

const shop = compile(loadYaml(readGolden('shop.in.yaml'), 'shop.in.yaml').objects).resources
const webKey = 'shop/web.shop.svc.cluster.local'

function published(resources: readonly Resource[] = shop, epoch = 'a') {
  const publisher = createPublisher(epoch)
  publisher.replace(resources)
  return publisher
}

test('pods of the node come by themselves, services when they are used', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const { store } = site.openStore('node1')
  await eventually(() => store.complete)
  assert.equal(store.get('11111111-0000-0000-0000-000000000003')?.name, 'client')
  assert.equal(store.get('11111111-0000-0000-0000-000000000002'), undefined)
  assert.deepEqual(await store.resolve('10.96.0.10', 'client'), { state: 'known' })
  const destination = destinationOf(heldBy(store), { network: 'default', ip: '10.96.0.10' }, 80)
  assert.ok(destination.kind === 'service')
  assert.equal(destination.service.endpoints.length, 2)
  assert.deepEqual(await store.resolve('192.0.2.1', 'client'), { state: 'absent' })
  await eventually(() => publisher.status().sessions[0]?.waiting === false)
  const session = publisher.status().sessions[0]
  assert.equal(session?.subscriptions, 3)
  assert.equal(session?.nacked, 0)
})

test('an address that joins later is sent to who asked for it before', async (t) => {
  const site = await openSite(t)
  const publisher = published(shop.filter(({ type }) => type !== 'service'))
  await site.serve(publisher)
  const { store } = site.openStore('node1')
  await eventually(() => store.complete)
  assert.deepEqual(await store.resolve('10.96.0.10', 'client'), { state: 'absent' })
  publisher.replace(shop)
  await eventually(() => store.tables.service(webKey) !== undefined)
  assert.deepEqual(store.resolve('10.96.0.10', 'client'), { state: 'known' })
})

test('another operator sends nothing of what is held, and takes away what is gone', async (t) => {
  const site = await openSite(t)
  const first = await site.serve(published())
  const { store } = site.openStore('node1')
  await eventually(() => store.complete)
  await store.resolve('10.96.0.10', 'client')
  await store.resolve('192.0.2.1', 'client')
  const before = [...store.tables.resources.values()]
  const changes: string[] = []
  store.onChange(({ upserts, removals }) => {
    changes.push(...upserts.map(({ type }) => type), ...removals)
  })

  await first.close()
  const publisher = published(shop, 'b')
  const second = await site.serve(publisher)
  await eventually(() => store.status().version.startsWith('b.'))
  assert.equal(changes.length, 0)
  assert.deepEqual([...store.tables.resources.values()], before)
  await eventually(() => publisher.status().sessions[0]?.resources === before.length)

  // What changes from there on is a delta to what it held before.
  await second.close()
  const without = shop.filter(({ type }) => type !== 'service')
  await site.serve(published(without, 'c'))
  await eventually(() => store.status().version.startsWith('c.'))
  assert.equal(store.tables.service(webKey), undefined)
  assert.ok(changes.includes(`service/${webKey}`))
  assert.ok(!changes.includes('workload'))
})

test('another operator that finds a wrong value leaves a pod as it was', async (t) => {
  const site = await openSite(t)
  const namespace = (enroll: string) => ({
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'late', annotations: { 'sluice.dev/enroll': enroll } },
  })
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'late', uid: 'late-web' },
    spec: { nodeName: 'node1' },
    status: { phase: 'Running', podIPs: [{ ip: '10.7.0.1' }] },
  }
  let server = await site.serve(published(compile([namespace('true'), pod]).resources))
  const { store } = site.openStore('node1')
  await eventually(() => store.complete)
  const before = store.get('late-web')
  assert.equal(before?.enrolled, true)
  for (const epoch of ['b', 'c']) {
    await server.close()
    const atStart = compile([namespace('yes-please'), pod]).resources
    server = await site.serve(published(atStart, epoch))
    await eventually(() => store.status().version.startsWith(`${epoch}.`))
    assert.deepEqual(store.get('late-web'), before)
  }
  await server.close()
  await site.serve(published(compile([namespace('false'), pod]).resources, 'd'))
  await eventually(() => store.get('late-web')?.enrolled === false)
})

test('a node that holds too much to say it is sent all, and loses what is gone', async (t) => {
  const site = await openSite(t)
  const first = await site.serve(published())
  const { store } = site.openStore('node1', { maxClaims: 1 })
  await eventually(() => store.complete)
  await store.resolve('10.96.0.10', 'client')
  await first.close()
  await site.serve(
    published(
      shop.filter(({ type }) => type !== 'service'),
      'b',
    ),
  )
  await eventually(() => store.tables.service(webKey) === undefined)
  assert.equal(store.get('11111111-0000-0000-0000-000000000003')?.name, 'client')
})

test('a restart with the operator away serves what is on disk; then news alone come', async (t) => {
  const site = await openSite(t)
  const server = await site.serve(published())
  const stateFile = createStateFile(join(site.folder, 'config.json'))
  const before = site.openStore('node1', {}, { stateFile }).store
  await eventually(() => before.complete)
  await before.resolve('10.96.0.10', 'client')
  await before.close()
  await server.close()

  const { store } = site.openStore('node1', {}, { stateFile })
  assert.equal(store.complete, true)
  assert.equal(store.status().fromDisk, true)
  assert.deepEqual(store.resolve('10.96.0.10', 'client'), { state: 'known' })
  assert.ok(store.tables.service(webKey))
  let upserts = 0
  store.onChange((change) => void (upserts += change.upserts.length))
  await eventually(() => store.status().reason.includes('UNAVAILABLE'))
  await site.serve(published(shop, 'b'))
  await eventually(() => store.status().connected && !store.status().fromDisk)
  assert.equal(upserts, 0)
})

test('a change that is somebody else’s sends a node nothing', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const { store } = site.openStore('node1')
  await eventually(() => store.complete && publisher.status().sessions[0]?.waiting === false)
  const { acked } = publisher.status().sessions[0] ?? assert.fail()
  const other = shop.find((one) => one.type === 'service' && one.key === webKey)
  assert.ok(other?.type === 'service')
  publisher.apply({ upserts: [{ ...other, key: 'x/y', addresses: [] }], removals: [] })
  // A change that is sent comes after one that would have been: the stream keeps order.
  await store.resolve('192.0.2.9', 'client')
  await eventually(() => publisher.status().sessions[0]?.waiting === false)
  assert.equal(publisher.status().sessions[0]?.acked, acked + 1)
  assert.equal(store.tables.service('x/y'), undefined)
})

test('the token and the certificate are looked at, each refusal says what to do', async (t) => {
  const site = await openSite(t)
  const refused: string[] = []
  await site.serve(published(), { onRefused: (_, reason) => void refused.push(reason) })
  const other = await makeAuthority('other', { fromMs: 0, toMs: Date.now() + 60_000 })
  const otherCa = join(site.folder, 'other.crt')
  writeFileSync(otherCa, other.certificate)
  const wrongToken = join(site.folder, 'wrong')
  writeFileSync(wrongToken, 'nonsense')
  const cases = [
    [{ caFile: otherCa }, /UNAVAILABLE.*certificate/],
    [{ serverName: 'elsewhere.test' }, /UNAVAILABLE.*altnames/],
    [{ tokenFile: wrongToken }, /UNAUTHENTICATED: nonsense is no token.*audience/],
    [{ tokenFile: join(site.folder, 'none') }, /token cannot be read.*volume/],
    [{ caFile: join(site.folder, 'none') }, /authority cannot be read.*volume/],
    [{ node: 'node2' }, /token is of node node1, and the request says node2/],
  ] as const
  for (const [options, reason] of cases) {
    const { store } = site.openStore('node1', options)
    await eventually(() => reason.test(store.status().reason))
    assert.equal(store.complete, false)
    await store.close()
  }
  assert.ok(refused.some((reason) => reason.includes('nonsense')))
  assert.ok(refused.some((reason) => reason.includes('node2')))
})

test('a stream ends when its token does, the next one begins with the next token', async (t) => {
  const site = await openSite(t)
  let seen = 0
  await site.serve(published(), {
    authenticate: async () => {
      seen += 1
      return { node: 'node1', expiresAtMs: Date.now() + (seen === 1 ? 50 : 60_000) }
    },
  })
  const { store } = site.openStore('node1')
  await eventually(() => seen >= 2 && store.status().connected && store.complete)
})

test('a renewed certificate is shown to who connects next', async (t) => {
  const site = await openSite(t)
  const server = await site.serve(published())
  const other = await openSite(t)
  server.renew(await other.certificate())
  const { store } = site.openStore('node1', { caFile: other.caFile })
  await eventually(() => store.complete)
})

test('a delta that a node cannot take is rejected, the rest is sent without it', async (t) => {
  const site = await openSite(t)
  const publisher = published()
  await site.serve(publisher)
  const { store, problems } = site.openStore('node1')
  await eventually(() => store.complete)
  await store.resolve('10.96.0.10', 'client')
  const service = store.tables.service(webKey) ?? assert.fail()
  const bad = { ...service, ports: [{ name: 'p', port: 70_000, appProtocol: '' }] }
  const settings = store.tables.settings ?? assert.fail()
  publisher.apply({ upserts: [bad, { ...settings, outside: 'refuse' }], removals: [] })
  await eventually(() => store.tables.settings?.outside === 'refuse')
  assert.deepEqual(store.tables.service(webKey), service)
  assert.ok(problems.some((problem) => problem.includes('ports[0].port is 70000')))
  assert.equal(publisher.status().sessions[0]?.nacked, 1)
  publisher.apply({ upserts: [{ ...service, publishNotReadyAddresses: true }], removals: [] })
  await eventually(() => store.tables.service(webKey)?.publishNotReadyAddresses === true)
})
