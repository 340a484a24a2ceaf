// The reactor under the real hooks: apps in a pod call their own service, and the proxy forwards,
// with what the kernel does for it in each mode of acceleration.
import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import test, { type TestContext } from 'node:test'
import { AcceptFlags, CloseHow, Direction, DoneReason } from '../../src/nodeproxy/io/protocol.ts'
import { type OpenReactor, openReactor } from '../../src/nodeproxy/io/reactor.ts'
import { legFlags } from '../../src/nodeproxy/kernel/abi.ts'
import { wordsOf } from '../../src/nodeproxy/l4/address.ts'
import { createSlotPool } from '../../src/nodeproxy/l4/slots.ts'
import type { AppOrders, AppReport } from './support/app-process.ts'
import { amount } from './support/guest.ts'
import { createPod, type TestPod } from './support/pod.ts'
import { createRig, type Rig, type Rise } from './support/rig.ts'
import { until } from './support/sockets.ts'

type Mode = 'off' | 'auto' | 'full'

interface Seen {
  readonly reasons: number[]
  readonly pairErrors: number[]
  unpublished: number
  proxiedBytes: number
  directBytes: number
  peakBufferedBytes: number
  /** What the kernel's counters rose by. */
  rose: Rise
}

interface Run {
  readonly mode: Mode
  /** Also where this kernel does not serve it: these apps never ask FIONREAD. */
  readonly everyMode?: boolean
  /** When a connection is paired, after it was connected; undefined: never. */
  readonly pairAfterMs?: (conn: number) => number
  readonly orders: Partial<AppOrders>
}

const legFlagsOf = {
  off: legFlags.bypass,
  auto: legFlags.bypass | legFlags.accelAuto,
  full: legFlags.bypass | legFlags.accelFull,
}

const serverPort = 8_080

async function run(
  t: TestContext,
  { mode, everyMode = false, pairAfterMs, orders }: Run,
): Promise<Seen> {
  const rig = createRig(t, { everyMode, mapSizes: { pairSlots: 4_096 } })
  const seen: Seen = {
    reasons: [],
    pairErrors: [],
    unpublished: 0,
    proxiedBytes: 0,
    directBytes: 0,
    peakBufferedBytes: 0,
    rose: {},
  }
  const pod = await createPod(rig, { accelerate: mode, others: ['10.96.0.1'] })
  const reports = await startApps(pod, orders)
  // The legs' sockets are made by a thread of this process: it belongs to the proxy's cgroup
  // meanwhile.
  const forward = async () => {
    const reactor = openProxy(rig, pod, mode, seen, pairAfterMs)
    const watch = setInterval(() => {
      seen.peakBufferedBytes = Math.max(seen.peakBufferedBytes, reactor.stats().bufferedBytes ?? 0)
    }, 1)
    for (const { wrong } of await reports()) assert.deepEqual(wrong, [])
    await until('the connections to end', () => reactor.stats().openConnections === 0)
    clearInterval(watch)
    const counted = reactor.stats()
    reactor.close()
    return counted
  }
  const { result: stats, rose } = await rig.countedAsync(() => rig.asProxyAsync(forward))
  seen.rose = rose
  assert.deepEqual(
    seen.reasons,
    Array.from({ length: orders.connections ?? 1 }, () => DoneReason.closed),
  )
  assert.equal(seen.unpublished, 0)
  assert.equal(stats.commandErrors, 0)
  return seen
}

/**
 * A server, and clients once it listens: started in the app's cgroup, while this process is there.
 */
async function startApps(
  pod: TestPod,
  orders: Partial<AppOrders>,
): Promise<() => Promise<readonly AppReport[]>> {
  const server = startApp(pod, { ...orders, role: 'server' })
  await once(server.output, 'data')
  const client = startApp(pod, { ...orders, role: 'client' })
  const reports = Promise.all([server.report, client.report])
  return () => reports
}

function startApp(
  pod: TestPod,
  orders: Partial<AppOrders> & Pick<AppOrders, 'role'>,
): { output: Readable; report: Promise<AppReport> } {
  const complete: AppOrders = {
    serverAddress: pod.ipv4,
    serverPort,
    serviceAddress: '10.96.0.1',
    servicePort: 80,
    connections: 1,
    atOnce: 1,
    bytesUp: 0,
    bytesDown: 0,
    writeBytes: 64 << 10,
    sleepyReaderMs: 0,
    turnBytes: 0,
    ...orders,
  }
  const file = join(import.meta.dirname, 'support/app-process.ts')
  const child = spawn(process.execPath, [file, JSON.stringify(complete)], {
    stdio: ['ignore', 'pipe', 'inherit', pod.netnsFd],
    timeout: amount({ usual: 120_000, emulated: 900_000 }),
  }) as ChildProcessByStdio<null, Readable, null>
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => void (text += chunk.toString()))
  const report = once(child, 'close').then(([status]) => {
    assert.equal(status, 0, text)
    return JSON.parse(text.replace('ready\n', '')) as AppReport
  })
  return { output: child.stdout, report }
}

function openProxy(
  rig: Rig,
  pod: TestPod,
  mode: Mode,
  seen: Seen,
  pairAfterMs: Run['pairAfterMs'],
): OpenReactor {
  const { kernel, native, generation } = rig
  const slots = createSlotPool(
    generation * kernel.pairSlotsPerGeneration,
    kernel.pairSlotsPerGeneration,
  )
  const taken = new Map<number, readonly [number, number]>()
  const destination = wordsOf(pod.ipv4)
  const pair = (conn: number): void => {
    const two = slots.take()
    if (two === undefined) return
    taken.set(conn, two)
    reactor.commands.pair(conn, two[0], two[1])
  }
  const reactor = openReactor(
    native,
    { ...kernel.fds, maxConnections: 1_000, generation, pairLimitBytes: 4 << 20 },
    {
      onAccept: ({ conn, flags, peer, peerPort }) => {
        if ((flags & AcceptFlags.originFound) === 0) return
        reactor.commands.connect({
          conn,
          attempt: 1,
          netns: pod.enrolment.podId,
          source: destination,
          destination,
          destinationPort: serverPort,
          timeoutMs: 60_000,
          client: peer,
          clientPort: peerPort,
          legFlags: legFlagsOf[mode],
        })
      },
      onConnected: ({ conn }) => {
        if (pairAfterMs === undefined) return
        const afterMs = pairAfterMs(conn)
        if (afterMs === 0) pair(conn)
        else reactor.commands.timer(conn, afterMs)
      },
      onConnectFailed: ({ conn }) => reactor.commands.close(conn, CloseHow.reset),
      onDone: (done) => {
        reactor.commands.timer(done.conn, 0)
        const two = taken.get(done.conn)
        if (two !== undefined) slots.giveBack(two)
        taken.delete(done.conn)
        if (done.reason === DoneReason.unpublished) seen.unpublished += 1
        seen.reasons.push(done.reason)
        seen.proxiedBytes += done.receivedBytes + done.sentBytes
        seen.directBytes += done.directToServerBytes + done.directToClientBytes
      },
      onTimer: pair,
      onListener: ({ reason, errno }) => assert.fail(`listener: reason ${reason}, errno ${errno}`),
      onPaired: ({ errno }) => void seen.pairErrors.push(errno),
      onNetnsFailed: ({ errno }) => assert.fail(`no socket in the pod: errno ${errno}`),
    },
  )
  reactor.commands.netnsAdd(pod.enrolment.podId, pod.netnsFd, 32)
  reactor.commands.listen({
    listener: 1,
    fd: pod.listeners.outbound4,
    pod: pod.enrolment.podId,
    netns: pod.enrolment.podId,
    direction: Direction.outbound,
    maxConnections: 0,
    maxBufferedBytes: 0,
  })
  reactor.flush()
  return reactor
}

const mixed = {
  connections: amount({ usual: 300, emulated: 30 }),
  atOnce: 20,
  bytesUp: 150_000,
  bytesDown: 90_001,
  writeBytes: 7_777,
}

/** Many connections more than many bytes: emulated guests run this, too. */
const many = { ...mixed, connections: 200, bytesUp: 40_003, bytesDown: 30_001 }

for (const mode of ['off', 'auto'] as const) {
  test(`${mode}: every byte goes through the proxy, once and in order`, async (t) => {
    const seen = await run(t, { mode, everyMode: mode === 'auto', orders: many })
    assert.equal(seen.proxiedBytes, 200 * (40_003 + 30_001))
    assert.equal(seen.directBytes, 0)
    const { verdictToLeg = 0, verdictToApp = 0, verdictDirect = 0 } = seen.rose
    // Apps' sockets send into the proxy's legs, and nothing is sent into theirs.
    if (mode === 'auto') assert.ok(verdictToLeg > 200, `${verdictToLeg} sends were redirected`)
    else assert.equal(verdictToLeg, 0)
    assert.deepEqual([verdictToApp, verdictDirect], [0, 0])
  })
}

test('full, not paired: both ways redirected', async (t) => {
  const seen = await run(t, { mode: 'full', orders: mixed })
  assert.equal(seen.proxiedBytes, mixed.connections * (150_000 + 90_001))
})

test('paired at once, in the middle and never, on connections that go on', async (t) => {
  const seen = await run(t, {
    mode: 'full',
    pairAfterMs: (conn) => conn % 5,
    orders: { ...mixed, bytesUp: 900_000, bytesDown: 700_000 },
  })
  assert.equal(seen.proxiedBytes + seen.directBytes, mixed.connections * 1_600_000)
  assert.ok(seen.directBytes > 0)
  assert.deepEqual(new Set(seen.pairErrors), new Set([0]))
})

// Both readers check what they read, and are slower than the writers: queues fill up to their limit
// again and again, and each time the writers have to come back to the direct way. How often is a
// matter of speed: a sender waits 40 us for the proxy, in which an emulated one does nothing.
for (const { turnBytes, least, what } of [
  { turnBytes: 1 << 20, least: 0.9, what: 'directly for 90 % and more when readers keep up' },
  {
    turnBytes: 0,
    least: amount({ usual: 0.4, emulated: 0.1 }),
    what: 'directly again and again when readers are slow',
  },
]) {
  test(`connections over 1 MB that are paired at once go ${what}`, async (t) => {
    const bytes = amount({ usual: 20 << 20, emulated: 10 << 20 })
    const connections = amount({ usual: 10, emulated: 2 })
    const seen = await run(t, {
      mode: 'full',
      pairAfterMs: () => 0,
      orders: { connections, atOnce: 1, bytesUp: bytes, bytesDown: bytes, turnBytes },
    })
    assert.equal(seen.proxiedBytes + seen.directBytes, connections * 2 * bytes)
    const share = seen.directBytes / (connections * 2 * bytes)
    t.diagnostic(`${(share * 100).toFixed(1)} % went directly`)
    assert.ok(share >= least, `${(share * 100).toFixed(1)} % went directly`)
  })
}

for (const paired of [true, false]) {
  const how = paired ? 'paired' : 'not paired'
  test(`a reader that sleeps is not flooded, and gets everything: ${how}`, async (t) => {
    const bytes = amount({ usual: 64 << 20, emulated: 20 << 20 })
    const seen = await run(t, {
      mode: 'full',
      ...(paired ? { pairAfterMs: () => 0 } : {}),
      orders: { connections: 2, atOnce: 2, bytesUp: bytes, sleepyReaderMs: 500 },
    })
    assert.equal(seen.proxiedBytes + seen.directBytes, 2 * bytes)
    assert.ok(seen.peakBufferedBytes <= 2 * (256 << 10), `${seen.peakBufferedBytes} bytes`)
  })
}
