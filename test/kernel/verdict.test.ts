// Where the bytes of accelerated sockets go, one send at a time: the order of bytes decides.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import test, { type TestContext } from 'node:test'
import type { PodEnrolment } from '../../src/nodeproxy/kernel/kernel.ts'
import type { Settings } from '../../src/nodeproxy/kernel/settings.ts'
import { type Connection, flagsOf, openConnection, pairDirection } from './support/connection.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, EAGAIN, type Sockets, until } from './support/sockets.ts'

interface Stage {
  readonly rig: Rig
  readonly sockets: Sockets
  readonly it: Connection
  /** Sends, and says by the counters which way it went. */
  readonly way: (fd: number, bytes: string | Uint8Array) => string
}

const ways = [
  'verdictToLeg',
  'verdictToApp',
  'verdictDirect',
  'verdictOrder',
  'verdictOverLimit',
  'verdictOverNodeLimit',
  'verdictBlocking',
  'verdictTargetGone',
  'verdictMissing',
  'verdictMemory',
  'verdictNothingRead',
  'verdictPass',
] as const

async function connect(
  t: TestContext,
  accelerate: PodEnrolment['accelerate'],
  settings: Partial<Settings> = {},
): Promise<Stage> {
  const rig = createRig(t, { settings })
  const pod = await createPod(rig, { accelerate })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate, server })
  const way = (fd: number, bytes: string | Uint8Array): string => {
    const { result, rose } = rig.counted(() => sockets.send(fd, bytes))
    assert.equal(result, bytes.length)
    return ways.filter((name) => rose[name] !== undefined).join('+') || 'TCP'
  }
  return { rig, sockets, it, way }
}

async function text(sockets: Sockets, fd: number, bytes: number): Promise<string> {
  return Buffer.from(await sockets.read(fd, bytes)).toString()
}

/** Both apps have been seen not to block, and to read by recv(2); nothing is on its way. */
async function settle({ sockets, it, way }: Stage): Promise<void> {
  for (const [from, to] of [
    [it.p1, it.client],
    [it.p2, it.server],
  ] as const) {
    way(from, 'hello')
    assert.equal(await text(sockets, to, 5), 'hello')
  }
}

test('into an app by TCP, until it has read', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, sockets, it, way } = stage
  const up = pairDirection(rig, it.client, it.server, 0)
  up.want(true)
  for (const [from, to] of [
    [it.p1, it.client],
    [it.p2, it.server],
  ] as const) {
    way(from, 'one')
    assert.equal(way(from, 'two'), 'verdictNothingRead')
    assert.equal(flagsOf(rig, to).includes('receives'), false)
  }
  assert.equal(way(it.client, 'by the proxy'), 'verdictToLeg', 'not directly either')
  assert.equal(await text(sockets, it.p1, 12), 'by the proxy')
  for (const [from, to] of [
    [it.p1, it.client],
    [it.p2, it.server],
  ] as const) {
    assert.equal(await text(sockets, to, 4), 'onet')
    assert.equal(way(from, 'three'), 'verdictOrder', 'it reads, and has not read all')
    assert.equal(await text(sockets, to, 7), 'wothree')
    assert.equal(way(from, 'four'), 'verdictToApp')
    assert.equal(await text(sockets, to, 4), 'four')
    assert.ok(flagsOf(rig, to).includes('receives'))
  }
  assert.equal(way(it.client, 'direct'), 'verdictDirect')
  assert.equal(await text(sockets, it.server, 6), 'direct')
})

test('bytes that went by TCP are read before any is redirected', async (t) => {
  const stage = await connect(t, 'full', { legLimitBytes: 10 })
  const { sockets, it, way } = stage
  await settle(stage)
  assert.equal(way(it.client, 'a'.repeat(9)), 'verdictToLeg')
  assert.equal(way(it.client, 'b'.repeat(9)), 'verdictOverLimit')
  assert.equal(way(it.client, 'c'), 'verdictOrder')
  assert.equal(await text(sockets, it.p1, 9), 'a'.repeat(9))
  assert.equal(way(it.client, 'd'), 'verdictOrder')
  assert.equal(await text(sockets, it.p1, 11), 'bbbbbbbbbcd')
  assert.equal(way(it.client, 'e'), 'verdictToLeg')
  assert.equal(await text(sockets, it.p1, 1), 'e')
})

test('into an app only over the limit by TCP, and back when it has read', async (t) => {
  const stage = await connect(t, 'full', { pairLimitBytes: 4096 })
  const { sockets, it, way } = stage
  await settle(stage)
  assert.equal(way(it.p2, new Uint8Array(2048)), 'verdictToApp')
  assert.equal(way(it.p2, new Uint8Array(4000)), 'verdictOverLimit')
  assert.equal(way(it.p2, 'x'), 'verdictOrder')
  assert.equal((await sockets.read(it.server, 6049)).length, 6049)
  assert.equal(way(it.p2, 'y'), 'verdictToApp')
})

test('a pair sends directly only when nothing is left on the way through the proxy', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, sockets, it, way } = stage
  await settle(stage)
  const up = pairDirection(rig, it.client, it.server, 3)
  assert.equal(way(it.client, 'one'), 'verdictToLeg')
  up.want(true)
  assert.equal(way(it.client, 'two'), 'verdictOrder', 'the proxy has not read one')

  up.busy(true)
  assert.equal(await text(sockets, it.p1, 6), 'onetwo')
  assert.equal(way(it.client, 'three'), 'verdictOrder', 'the proxy holds onetwo')
  assert.equal(await text(sockets, it.p1, 5), 'three')
  assert.equal(way(it.p2, 'onetwothree'), 'verdictToApp')
  up.busy(false)

  assert.equal(
    way(it.client, 'four'),
    'verdictDirect',
    'in the queue of the app behind onetwothree',
  )
  assert.equal(await text(sockets, it.server, 15), 'onetwothreefour')
  assert.ok(
    sockets.send(it.p1, '') === 0 && rig.native.socketReceive(it.p1, new Uint8Array(1)) === EAGAIN,
  )
  const { directBytes, legTcpBytes } = up.stats()
  assert.deepEqual([directBytes, legTcpBytes], [4n, 8n])

  up.want(false)
  assert.equal(way(it.client, 'five'), 'verdictToLeg')
  up.want(true)
  assert.equal(await text(sockets, it.p1, 4), 'five')
  assert.equal(way(it.p2, 'five'), 'verdictToApp')
  assert.equal(way(it.client, 'six'), 'verdictDirect')
  assert.equal(await text(sockets, it.server, 7), 'fivesix')
})

test('a sender waits for the proxy, but not where that keeps it from running', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, sockets, it } = stage
  await settle(stage)
  const up = pairDirection(rig, it.client, it.server, 0)
  up.want(true)
  const here = pinToOneCpu(t)
  const send = (bytes: number) => rig.counted(() => sockets.send(it.client, new Uint8Array(bytes)))
  for (const [cpu, bytes, waits] of [
    [here + 1, 20_000, 1],
    [here, 20_000, undefined],
    [here + 1, 1_000, undefined],
  ] as const) {
    up.workingOn(cpu)
    const { rose } = send(bytes)
    assert.deepEqual([rose.verdictProxyAwaited, rose.verdictOrder], [waits, 1])
    assert.equal((await sockets.read(it.p1, bytes)).length, bytes)
  }
  up.busy(false)
  assert.equal(send(20_000).rose.verdictDirect, 1)
  assert.equal((await sockets.read(it.server, 20_000)).length, 20_000)
})

/** This thread stays on one CPU until the test ends. */
function pinToOneCpu(t: TestContext): number {
  const taskset = (...args: string[]) =>
    execFileSync('taskset', [...args, `${process.pid}`], { encoding: 'utf8' })
  const all = /: (.*)$/mu.exec(taskset('-cp'))?.[1] ?? ''
  const one = Number.parseInt(all, 10)
  taskset('-cp', `${one}`)
  t.after(() => taskset('-cp', all))
  return one
}

test('a pair does not overtake what the proxy sent to the app by TCP', async (t) => {
  const stage = await connect(t, 'full', { pairLimitBytes: 100 })
  const { rig, sockets, it, way } = stage
  await settle(stage)
  assert.equal(way(it.p2, new Uint8Array(200)), 'verdictOverLimit')
  const up = pairDirection(rig, it.client, it.server, 0)
  up.want(true)
  assert.equal(way(it.client, 'later'), 'verdictOrder')
  assert.equal(await text(sockets, it.p1, 5), 'later')
  assert.equal((await sockets.read(it.server, 200)).length, 200)
  assert.equal(way(it.client, 'direct'), 'verdictDirect')
  assert.equal(await text(sockets, it.server, 6), 'direct')
})

test('a pair over the limit goes by the proxy, and returns', async (t) => {
  const stage = await connect(t, 'full', { pairLimitBytes: 10_000 })
  const { rig, sockets, it, way } = stage
  await settle(stage)
  const down = pairDirection(rig, it.server, it.client, 1)
  down.want(true)
  assert.equal(way(it.server, new Uint8Array(9000)), 'verdictDirect')
  assert.equal(way(it.server, new Uint8Array(2000)), 'verdictOverLimit')
  const { overLimit, receiverQueuedBytes } = down.stats()
  assert.equal(overLimit, 1n)
  assert.ok(receiverQueuedBytes >= 9000n)
  assert.equal((await sockets.read(it.client, 9000)).length, 9000)
  assert.equal((await sockets.read(it.p2, 2000)).length, 2000)
  assert.equal(way(it.p1, new Uint8Array(2000)), 'verdictToApp')
  assert.equal((await sockets.read(it.client, 2000)).length, 2000)
  assert.equal(way(it.server, 'back'), 'verdictDirect')
})

test('the budget of the node holds for all sockets together, and comes free again', async (t) => {
  const stage = await connect(t, 'full', { nodeLimitBytes: 150_000, pairLimitBytes: 1 << 20 })
  const { rig, sockets, it, way } = stage
  await settle(stage)
  let sent = 0
  await until('the budget to be used up', () => {
    const where = way(it.p2, new Uint8Array(20_000))
    sent += 20_000
    return where === 'verdictOverNodeLimit'
  })
  assert.ok(sent <= 200_000, `${sent} bytes were redirected`)
  // What another socket has queued leaves no room for this one.
  assert.equal(way(it.client, new Uint8Array(20_000)), 'verdictOverNodeLimit')
  await sockets.read(it.server, sent)
  await sockets.read(it.p1, 20_000)
  assert.equal(rig.kernel.refreshUsage().queuedBytes, 0)
  assert.equal(way(it.client, new Uint8Array(20_000)), 'verdictToLeg')
  assert.ok(rig.kernel.refreshUsage().queuedBytes >= 20_000)
})

test('the queue of an app can be asked for', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, it, way } = stage
  await settle(stage)
  way(it.p2, new Uint8Array(50_000))
  assert.ok((rig.kernel.queuedBytes(rig.native.socketCookie(it.server)) ?? 0) >= 50_000)
  assert.equal(rig.kernel.queuedBytes(12345678901234n), undefined)
})

test('full: an app that turns a socket blocking gets nothing redirected any more', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, sockets, it, way } = stage
  await settle(stage)
  assert.equal(way(it.p2, 'redirected'), 'verdictToApp')
  rig.native.socketSetBlocking(it.server, true, 'fcntl')
  assert.equal(way(it.p2, 'by TCP'), 'verdictBlocking')
  assert.equal(way(it.server, 'by TCP'), 'verdictBlocking')
  assert.equal(await text(sockets, it.server, 16), 'redirectedby TCP')
  await until('it to leave once it is empty', () => {
    rig.kernel.refreshUsage()
    return flagsOf(rig, it.server).length === 0
  })
  assert.equal(way(it.p2, 'on'), 'verdictPass')
  assert.equal(await text(sockets, it.server, 2), 'on')
})

test('a target that has gone is no target: its bytes go by TCP', async (t) => {
  const stage = await connect(t, 'full')
  const { sockets, it, way } = stage
  await settle(stage)
  sockets.close(it.server)
  assert.notEqual(way(it.p2, 'x'), 'verdictToApp')
})

test('half-close: the end of the stream comes after the redirected bytes', async (t) => {
  const stage = await connect(t, 'full')
  const { rig, sockets, it, way } = stage
  await settle(stage)
  const up = pairDirection(rig, it.client, it.server, 0)
  up.want(true)
  assert.equal(way(it.client, 'last words'), 'verdictDirect')
  sockets.close(it.client)
  assert.equal((await sockets.read(it.p1, 1)).length, 0, 'the proxy sees the end')
  sockets.close(it.p2)
  assert.equal(await text(sockets, it.server, 10), 'last words')
  assert.equal((await sockets.read(it.server, 1)).length, 0)
})
