// The client over real Unix sockets: against the lab's server, and against ones that misbehave.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { destinationOf } from '../../../../src/model/destination.ts'
import { nodeSubscription } from '../../../../src/model/names.ts'
import { socketSource } from '../../../../src/nodeproxy/config/client.ts'
import type { Clock, ConfigStore } from '../../../../src/nodeproxy/config/interfaces.ts'
import { createStore } from '../../../../src/nodeproxy/config/store.ts'
import { systemClock } from '../../../../src/nodeproxy/config/system-clock.ts'
import { loadYaml } from '../../../../src/operator/compile/load-yaml.ts'
import { startLabServer } from '../../../../src/operator/lab-server.ts'
import { readGolden } from '../../operator/golden-input.ts'
import { heldBy } from './support.ts'

const shop = loadYaml(readGolden('shop.in.yaml'), 'shop.in.yaml').objects

function socketPath(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'config.sock')
}

function openStore(t: TestContext, path: string, node = 'node1') {
  const problems: string[] = []
  const store = createStore({
    node,
    clock: systemClock,
    source: socketSource({
      node,
      path,
      clock: systemClock,
      random: Math.random,
      firstRetryMs: 2,
      maxRetryMs: 10,
    }),
    onProblem: (message) => void problems.push(message),
  })
  t.after(async () => store.close())
  return { store, problems }
}

/** Waits for a condition on the store, which is looked at after each change. */
async function until(store: ConfigStore, condition: () => boolean): Promise<void> {
  if (condition()) return
  const { promise, resolve } = Promise.withResolvers<void>()
  const stop = store.onChange(() => {
    if (condition()) resolve()
  })
  await promise
  stop()
}

test('pods of the node come by themselves, services when they are used', async (t) => {
  const server = await startLabServer({ path: socketPath(t), objects: shop })
  t.after(async () => server.close())
  const { store } = openStore(t, server.path)
  await until(store, () => store.complete)
  assert.equal(store.get('11111111-0000-0000-0000-000000000003')?.name, 'client')
  assert.equal(store.get('11111111-0000-0000-0000-000000000002'), undefined)
  assert.deepEqual(await store.resolve('10.96.0.10', 'client'), { state: 'known' })
  const destination = destinationOf(heldBy(store), { network: 'default', ip: '10.96.0.10' }, 80)
  assert.ok(destination.kind === 'service')
  assert.equal(destination.service.endpoints.length, 2)
  for (const { workload } of destination.service.endpoints) {
    assert.equal(store.tables.workload(workload)?.owner, 'web')
  }
  assert.deepEqual(await store.resolve('192.0.2.1', 'client'), { state: 'absent' })
})

test('a namespace that is taken out of the mesh at run time is told at once', async (t) => {
  const server = await startLabServer({ path: socketPath(t), objects: shop })
  t.after(async () => server.close())
  const { store } = openStore(t, server.path)
  await until(store, () => store.complete)
  const uid = '11111111-0000-0000-0000-000000000003'
  server.annotate({ kind: 'Namespace', name: 'shop' }, { 'sluice.dev/enroll': null })
  await until(store, () => store.get(uid)?.enrolled === false)
  assert.equal(store.get(uid)?.reason, 'not annotated')
})

test('after a restart of the source all is subscribed again, what is gone goes', async (t) => {
  const path = socketPath(t)
  const first = await startLabServer({ path, objects: shop })
  const { store } = openStore(t, path)
  await until(store, () => store.complete)
  assert.deepEqual(await store.resolve('10.96.0.10', 'client'), { state: 'known' })
  await first.close()
  const without = shop.filter((object) => (object as { kind: string }).kind !== 'Service')
  const second = await startLabServer({ path, objects: without })
  t.after(async () => second.close())
  await until(store, () => store.tables.service('shop/web.shop.svc.cluster.local') === undefined)
  assert.deepEqual(store.resolve('10.96.0.10', 'client'), { state: 'absent' })
  assert.equal(store.get('11111111-0000-0000-0000-000000000003')?.name, 'client')
})

/** A server that does what the test says with each connection. */
async function serve(
  t: TestContext,
  path: string,
  onConnection: (socket: Socket) => void,
): Promise<Server> {
  const server = createServer(onConnection)
  server.listen(path)
  await once(server, 'listening')
  t.after(() => server.close())
  return server
}

async function firstLine(socket: Socket): Promise<unknown> {
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return JSON.parse(String(chunk).split('\n')[0] ?? '') as unknown
}

const misbehaviours: readonly (readonly [string, string])[] = [
  ['no JSON', 'hello\n'],
  ['another version', '{"v":7,"type":"delta","nonce":"1"}\n'],
  ['an error', '{"v":1,"type":"error","error":"go away"}\n'],
  ['a delta without a nonce', '{"v":1,"type":"delta"}\n'],
]

for (const [what, line] of misbehaviours) {
  test(`${what} from the source ends the stream, with the reason, and it comes back`, async (t) => {
    const path = socketPath(t)
    const connections = Promise.withResolvers<void>()
    let count = 0
    await serve(t, path, (socket) => {
      socket.on('error', () => {})
      t.after(() => socket.destroy())
      count += 1
      if (count === 3) connections.resolve()
      socket.write(line)
    })
    const { store } = openStore(t, path)
    await connections.promise
    assert.match(store.status().reason, /config\.sock: .+/)
  })
}

test('a delta that cannot be read is rejected by names; the stream goes on', async (t) => {
  const path = socketPath(t)
  const answers = Promise.withResolvers<unknown>()
  await serve(t, path, (socket) => {
    t.after(() => socket.destroy())
    void (async () => {
      assert.deepEqual(await firstLine(socket), {
        v: 1,
        type: 'hello',
        node: 'node1',
        subscribe: [],
      })
      socket.write(
        '{"v":1,"type":"delta","nonce":"5","upserts":[{"type":"service","key":"a/b"}]}\n',
      )
      answers.resolve(await firstLine(socket))
    })()
  })
  const { store, problems } = openStore(t, path)
  const answer = (await answers.promise) as {
    type: string
    nonce: string
    rejected: string[]
    error: string
  }
  assert.deepEqual([answer.type, answer.nonce, answer.rejected], ['nack', '5', ['service/a/b']])
  assert.match(answer.error, /service\/a\/b: namespace is missing/)
  assert.equal(store.status().counts.deltasRejected, 1)
  assert.equal(problems.length, 1)
})

test('waits grow while nothing comes, and start anew when something did', async (t) => {
  const path = socketPath(t)
  const delays: number[] = []
  const enough = Promise.withResolvers<void>()
  let connections = 0
  await serve(t, path, (socket) => {
    connections += 1
    // Nothing from the first four; then a delta each time.
    if (connections > 4) socket.write('{"v":1,"type":"delta","nonce":"1"}\n')
    if (connections === 8) enough.resolve()
    socket.on('error', () => {})
    socket.end()
  })
  const clock: Clock = {
    nowMs: () => systemClock.nowMs(),
    after(delayMs, run) {
      delays.push(delayMs)
      return systemClock.after(1, run)
    },
  }
  const source = socketSource({ node: 'node1', path, clock, random: () => 0, firstRetryMs: 100 })
  const ignore = { onDelta() {}, onConnected() {}, onDisconnected() {} }
  const stream = source(ignore)
  t.after(() => stream.close())
  await enough.promise
  assert.deepEqual(delays.slice(0, 7), [50, 100, 200, 400, 50, 50, 50])
})

test('a source that is not there yet is tried until it is', async (t) => {
  const path = socketPath(t)
  const { store } = openStore(t, path)
  assert.match(store.status().reason, /not connected yet/)
  const server = await startLabServer({ path, objects: shop })
  t.after(async () => server.close())
  await until(store, () => store.complete)
  assert.equal(server.status().sessions[0]?.node, 'node1')
  assert.ok(server.status().answers >= 1, nodeSubscription('node1'))
})
