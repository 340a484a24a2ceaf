// Objects that are followed: what is published agrees with the API server, whatever fails.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { createIncrementalCompiler } from '../../../../src/operator/incremental/compiler.ts'
import { sourceKinds } from '../../../../src/operator/kube/source-kinds.ts'
import { type Sources, startSources } from '../../../../src/operator/kube/sources.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { eventually } from '../../nodeproxy/config/grpc-support.ts'
import { type FakeApiServer, type FakeObject, startFakeApiServer } from './fake-api-server.ts'

interface Following {
  readonly server: FakeApiServer
  readonly sources: Sources
  readonly errors: string[]
  readonly problems: () => readonly string[]
  /** Uids of enrolments as a node is told of them. */
  readonly pods: () => ReadonlyMap<string, boolean>
}

function pod(name: string, more: object = {}): FakeObject {
  return {
    metadata: { namespace: 'shop', name, uid: `uid-${name}`, ...more },
    spec: { nodeName: 'n0', containers: [{ image: 'x'.repeat(2_000) }] },
    status: { phase: 'Running', podIPs: [{ ip: `10.0.0.${name.length}` }] },
  }
}

async function follow(
  t: TestContext,
  prepare: (server: FakeApiServer) => void = () => {},
  pageSize = 500,
  othersSynced = () => true,
): Promise<Following> {
  const server = await startFakeApiServer(t)
  server.put('namespaces', {
    metadata: { name: 'shop', annotations: { 'sluice.dev/enroll': 'true' } },
  })
  prepare(server)
  const compiler = createIncrementalCompiler()
  const publisher = createPublisher('test')
  const held = new Map<string, boolean>()
  const errors: string[] = []
  const session = publisher.connect('n0', [], (delta) => {
    for (const name of delta.removals) held.delete(name.slice('enrolment/'.length))
    for (const each of delta.upserts) {
      if (each.type === 'enrolment') held.set(each.uid, each.enrolled)
    }
    setImmediate(() => session.ack(delta.nonce))
  })
  const sources = startSources({
    api: server.api,
    compiler,
    publisher,
    random: () => 0,
    firstRetryMs: 5,
    absentRetryMs: 5,
    pageSize,
    othersSynced,
    onError: (kind, error) => void errors.push(`${kind}: ${error.message}`),
  })
  t.after(() => sources.stop())
  const problems = () =>
    compiler.problems().map(({ kind, name, field }) => `${kind} ${name} ${field}`)
  return { server, sources, errors, problems, pods: () => held }
}

test('what is there comes by pages, what changes by watch', async (t) => {
  const { server, sources, pods, errors } = await follow(
    t,
    (fresh) => {
      for (let index = 0; index < 7; index += 1) fresh.put('pods', pod('p'.repeat(index + 1)))
    },
    3,
  )
  await eventually(() => pods().size === 7)
  assert.deepEqual(
    server.asked.filter((line) => line.startsWith('pods list')),
    ['pods list', 'pods list continue', 'pods list continue'],
  )
  await eventually(() => server.watchers === sourceKinds.length)
  server.put('pods', pod('new'))
  server.remove('pods', 'shop', 'p')
  await eventually(() => pods().has('uid-new') && !pods().has('uid-p'))
  server.put('namespaces', { metadata: { name: 'shop' } })
  await eventually(() => [...pods().values()].every((enrolled) => !enrolled))
  assert.equal(sources.reflectors.get('Pod')?.counts.lists, 1)
  assert.deepEqual(errors, [])
})

test('nothing is published before all kinds have been listed', async (t) => {
  const { server, sources, pods } = await follow(t, (fresh) => {
    fresh.put('pods', pod('a'))
    fresh.hide('endpointslices')
  })
  await eventually(() => (sources.reflectors.get('EndpointSlice')?.counts.errors ?? 0) >= 2)
  assert.equal(sources.ready, false)
  assert.equal(pods().size, 0)
  server.show('endpointslices')
  await eventually(() => sources.ready && pods().size === 1)
})

test('nor before what others put into the compiler is all there', async (t) => {
  let synced = false
  const { sources, pods } = await follow(
    t,
    (fresh) => fresh.put('pods', pod('a')),
    500,
    () => synced,
  )
  await eventually(() => [...sources.reflectors.values()].every((each) => each.synced))
  sources.changed()
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([sources.ready, pods().size], [false, 0])
  synced = true
  sources.changed()
  await eventually(() => sources.ready && pods().size === 1)
})

for (const how of ['end', 'reset'] as const) {
  test(`a watch that ends (${how}) goes on from where it was, without a list`, async (t) => {
    const { server, sources, pods } = await follow(t, (fresh) => fresh.put('pods', pod('a')))
    await eventually(() => server.watchers === sourceKinds.length && pods().size === 1)
    server.cut('pods', how)
    server.put('pods', pod('bb'))
    await eventually(() => pods().has('uid-bb'))
    server.cut('pods', how)
    server.remove('pods', 'shop', 'a')
    await eventually(() => !pods().has('uid-a'))
    assert.equal(sources.reflectors.get('Pod')?.counts.lists, 1)
  })
}

test('a version that is compacted away is listed anew', async (t) => {
  const { server, sources, pods, errors } = await follow(t, (fresh) => {
    fresh.put('pods', pod('a'))
    fresh.put('pods', pod('bb'))
  })
  await eventually(() => server.watchers === sourceKinds.length && pods().size === 2)
  server.remove('nodes', '', 'none')
  // Gone while nobody watched, and no event tells of it.
  server.cut('pods', 'reset')
  await eventually(() => server.watchers === sourceKinds.length)
  server.compact()
  server.cut('pods', 'end')
  await eventually(() => sources.reflectors.get('Pod')?.counts.lists === 2)
  server.put('pods', pod('ccc'))
  await eventually(() => pods().has('uid-ccc'))
  assert.deepEqual(
    errors.filter((error) => error.includes('410')),
    [],
  )
})

test('a bookmark moves the version on, so that a quiet watch is not compacted away', async (t) => {
  const { server, sources, pods } = await follow(t, (fresh) => fresh.put('pods', pod('a')))
  await eventually(() => server.watchers === sourceKinds.length && pods().size === 1)
  server.compact()
  server.bookmark('pods')
  await eventually(() => sources.reflectors.get('Pod')?.counts.bookmarks === 1)
  server.cut('pods', 'end')
  server.put('pods', pod('bb'))
  await eventually(() => pods().has('uid-bb'))
  assert.equal(sources.reflectors.get('Pod')?.counts.lists, 1)
  assert.ok(server.asked.every((line) => !line.endsWith('bare')))
})

test('an API server that fails is asked again, and what was known stays', async (t) => {
  const { server, sources, pods, errors } = await follow(t, (fresh) => {
    fresh.put('pods', pod('a'))
    fresh.fail(503, 9)
  })
  await eventually(() => pods().size === 1)
  assert.ok(errors.some((error) => error.includes('503 made to fail')))
  const failures = sources.reflectors.get('Pod')?.counts.errors ?? 0
  server.fail(500, 4)
  server.cut('pods', 'reset')
  await eventually(() => (sources.reflectors.get('Pod')?.counts.errors ?? 0) > failures)
  assert.equal(pods().size, 1)
  server.put('pods', pod('bb'))
  await eventually(() => pods().size === 2)
  await eventually(() => sources.reflectors.get('Pod')?.lastError === '')
})

test('a CRD may come later, and go again', async (t) => {
  const { server, sources, problems } = await follow(t, (fresh) => fresh.hide('meshconfigs'))
  await eventually(() => sources.ready)
  assert.equal(sources.reflectors.get('MeshConfig')?.absent, true)
  server.put('meshconfigs', { metadata: { name: 'mesh' }, spec: { outside: 'maybe' } })
  server.show('meshconfigs')
  await eventually(() => problems().includes('MeshConfig mesh spec.outside'))
  assert.equal(sources.reflectors.get('MeshConfig')?.absent, false)
  server.hide('meshconfigs')
  server.cut('meshconfigs', 'end')
  await eventually(() => sources.reflectors.get('MeshConfig')?.absent === true)
  await eventually(() => problems().length === 0)
})

test('a bad object is a problem by field, and its last good version stays', async (t) => {
  const { server, pods, problems } = await follow(t, (fresh) => fresh.put('pods', pod('a')))
  await eventually(() => pods().get('uid-a') === true)
  const wrong = { annotations: { 'sluice.dev/enroll': 'of course' } }
  server.put('namespaces', { metadata: { name: 'shop', ...wrong } })
  await eventually(() => problems().length === 1)
  assert.deepEqual(problems(), ['Namespace shop metadata.annotations[sluice.dev/enroll]'])
  assert.equal(pods().get('uid-a'), true)
})
