// The reactor through the addon, inside Node's own event loop, without BPF.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { CloseHow, DoneReason } from '../../src/nodeproxy/io/protocol.ts'
import { loadNative } from '../../src/nodeproxy/native.ts'
import {
  listenOnLoopback,
  openProxy,
  type ProxyOptions,
  type ReactorProxy,
  serve,
} from './support/reactor-proxy.ts'

const native = loadNative()

interface Setup {
  readonly proxy: ReactorProxy
  readonly port: number
}

/** An echo server of Node's, and a proxy before it, both in this loop. */
async function setUp(t: TestContext, options: Partial<ProxyOptions> = {}): Promise<Setup> {
  const { server, port: targetPort } = await serve((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  const { fd, port } = await listenOnLoopback(native)
  const proxy = openProxy(native, { targetPort, ...options })
  proxy.listen(fd)
  native.closeFd(fd)
  t.after(() => {
    proxy.reactor.close()
    server.close()
  })
  return { proxy, port }
}

/** Sends all, ends, and gives the digest of what came back. */
async function echo(port: number, bytes: Buffer): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  const digest = createHash('sha256')
  socket.on('data', (chunk) => void digest.update(chunk))
  socket.end(bytes)
  await once(socket, 'end')
  return digest.digest('hex')
}

function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await setTimeout(1)
}

test('an echo through the reactor, client and server in the same loop', async (t) => {
  const { proxy, port } = await setUp(t)
  const sizes = [0, 1, 1_000, 100_000, 5_000_000]
  await Promise.all(
    sizes.map(async (size) => {
      const bytes = randomBytes(size)
      assert.equal(await echo(port, bytes), digestOf(bytes), `${size} bytes`)
    }),
  )
  await until(() => proxy.ended.length === sizes.length)
  assert.deepEqual(
    proxy.ended,
    sizes.map(() => DoneReason.closed),
  )
  const stats = proxy.reactor.stats()
  const total = sizes.reduce((sum, size) => sum + size, 0)
  assert.equal(stats.bytesFromClients, total)
  assert.equal(stats.bytesFromServers, total)
  assert.equal(stats.openConnections, 0)
  assert.equal(stats.bufferedBytes, 0)
  assert.equal(stats.commandErrors, 0)
})

test('idle, it sleeps until the next timer of Node and no longer', async (t) => {
  const { proxy } = await setUp(t)
  await setImmediate()
  const before = proxy.reactor.stats().turns ?? 0
  const lateMs: number[] = []
  for (let round = 0; round < 40; round += 1) {
    const start = performance.now()
    await setTimeout(10)
    lateMs.push(performance.now() - start - 10)
  }
  const turns = (proxy.reactor.stats().turns ?? 0) - before
  // A few turns a timer; a loop that spins would make thousands.
  assert.ok(turns < 40 * 10, `${turns} turns for 40 timers`)
  const median = lateMs.sort((a, b) => a - b)[20] ?? Number.NaN
  // Not a measurement: only that no timer waits for a socket.
  assert.ok(median < 100, `half of the timers were late by ${median} ms or more`)
})

test('under load, timers, files and child processes of Node get their turns', async (t) => {
  const { proxy, port } = await setUp(t)
  const load = { wanted: true }
  const streams = Array.from({ length: 4 }, async () => {
    const bytes = randomBytes(1 << 20)
    while (load.wanted) assert.equal(await echo(port, bytes), digestOf(bytes))
  })
  for (let round = 0; round < 20; round += 1) {
    await setTimeout(1)
    await setImmediate()
    assert.match(await readFile('/proc/self/status', 'utf8'), /^Name:/u)
  }
  const worker = new Worker('require("node:worker_threads").parentPort.postMessage(42)', {
    eval: true,
  })
  assert.deepEqual(await once(worker, 'message'), [42])
  load.wanted = false
  await Promise.all(streams)
  assert.ok((proxy.reactor.stats().bytesFromClients ?? 0) > 4 << 20)
})

test("the reactor's own timers fire once, move and can be cancelled", async (t) => {
  const fired: number[] = []
  const { proxy } = await setUp(t, { handlers: { onTimer: (timer) => void fired.push(timer) } })
  const { commands } = proxy.reactor
  commands.timer(1, 30)
  commands.timer(2, 10)
  commands.timer(3, 20)
  commands.timer(4, 5)
  commands.timer(3, 0)
  commands.timer(4, 60)
  await until(() => fired.length === 3)
  assert.deepEqual(fired, [2, 1, 4])
})

test('a refused endpoint is told with its errno, and another attempt may follow', async (t) => {
  const { server, port: goodPort } = await serve((socket) => socket.pipe(socket))
  t.after(() => server.close())
  const failures: string[] = []
  const { port: badPort, fd } = await listenOnLoopback(native)
  native.closeFd(fd)
  const { proxy, port } = await setUp(t, {
    targetPort: badPort,
    handlers: {
      onConnectFailed: ({ conn, attempt, errno }) => {
        failures.push(`${attempt} ${errno}`)
        proxy.reactor.commands.connect({
          conn,
          attempt: attempt + 1,
          netns: 1,
          source: [0, 0, 0, 0],
          destination: [0, 0, 0xffff0000 | 0, 0x0100007f],
          destinationPort: goodPort,
          timeoutMs: 60_000,
          client: [0, 0, 0, 0],
          clientPort: 0,
          legFlags: 0,
        })
      },
    },
  })
  const bytes = Buffer.from('second try')
  assert.equal(await echo(port, bytes), digestOf(bytes))
  assert.deepEqual(failures, ['1 111'])
})

test('a connection may be refused, and orders for it afterwards are ignored', async (t) => {
  const { proxy, port } = await setUp(t, {
    handlers: {
      onAccept: ({ conn }) => {
        proxy.reactor.commands.close(conn, CloseHow.reset)
        proxy.reactor.commands.close(conn, CloseHow.reset)
      },
    },
  })
  const socket = connect({ port, host: '127.0.0.1' })
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNRESET')
  await until(() => proxy.ended.length === 1)
  assert.deepEqual(proxy.ended, [DoneReason.refused])
  assert.equal(proxy.reactor.stats().staleCommands, 1)
})

test('workers with a reactor each share one listener', async (t) => {
  const { server, port: targetPort } = await serve((socket) => socket.pipe(socket))
  const { fd, port } = await listenOnLoopback(native)
  const file = join(import.meta.dirname, 'support/reactor-worker.ts')
  const workers = [1, 2].map(() => new Worker(file, { workerData: { fd, targetPort } }))
  t.after(() => {
    for (const worker of workers) worker.postMessage('close')
    server.close()
    native.closeFd(fd)
  })
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const bytes = randomBytes(20_000)
  for (let round = 0; round < 10; round += 1) {
    const answers = await Promise.all(Array.from({ length: 50 }, () => echo(port, bytes)))
    for (const answer of answers) assert.equal(answer, digestOf(bytes))
  }
  const accepted: number[] = []
  for (const worker of workers) {
    worker.postMessage('accepted')
    const [count] = (await once(worker, 'message')) as [number]
    accepted.push(count)
  }
  assert.equal((accepted[0] ?? 0) + (accepted[1] ?? 0), 500)
  assert.ok(Math.min(...accepted) > 0, `one worker took everything: ${accepted.join(', ')}`)
})

test('a worker that is terminated under load takes its reactor with it', async (t) => {
  const { server, port: targetPort } = await serve((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  const { fd, port } = await listenOnLoopback(native)
  t.after(() => {
    server.close()
    native.closeFd(fd)
  })
  const file = join(import.meta.dirname, 'support/reactor-worker.ts')
  const worker = new Worker(file, { workerData: { fd, targetPort } })
  await once(worker, 'message')
  const socket = connect({ port, host: '127.0.0.1' })
  socket.write('x')
  await once(socket, 'data')
  const reset = once(socket, 'error')
  await worker.terminate()
  const [error] = (await reset) as [NodeJS.ErrnoException]
  assert.equal(error.code, 'ECONNRESET')
})

test('a closed reactor says so, lets the process end, and can be closed again', () => {
  const script = `
    import { loadNative } from './src/nodeproxy/native.ts'
    import { openProxy } from './test/kernel/support/reactor-proxy.ts'
    const { reactor } = openProxy(loadNative(), { targetPort: 1, handlers: { onTimer() {
      reactor.close()
      reactor.close()
      try { reactor.stats() } catch (error) { console.log(error.message) }
    } } })
    reactor.commands.timer(1, 1)`
  assert.equal(runScript(script), 'stats: the reactor is closed\n')
})

test('what a handler throws is an uncaught exception, and later events still come', () => {
  const script = `
    import { loadNative } from './src/nodeproxy/native.ts'
    import { openProxy } from './test/kernel/support/reactor-proxy.ts'
    process.on('uncaughtException', (error) => console.log(error.message))
    const { reactor } = openProxy(loadNative(), { targetPort: 1, handlers: { onTimer(timer) {
      if (timer === 1) throw new Error('handler failed')
      console.log('timer', timer)
      reactor.close()
    } } })
    reactor.commands.timer(1, 1)
    reactor.commands.timer(2, 2)`
  assert.equal(runScript(script), 'handler failed\ntimer 2\n')
})

function runScript(script: string): string {
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: join(import.meta.dirname, '../..'),
    encoding: 'utf8',
    timeout: 120_000,
  })
}

test('wrong options are refused by name', () => {
  const open = (reactor: object): unknown => openProxy(native, { targetPort: 1, reactor })
  assert.throws(() => open({ maxConnections: 0 }), /option maxConnections must be a number/u)
  assert.throws(
    () => open({ maxConnections: 2 ** 21 }),
    /cannot create the reactor: maxConnections/u,
  )
  assert.throws(() => open({ generation: 4 }), /cannot create the reactor: generation/u)
  assert.throws(() => open({ pairsMapFd: 0, pairControlMapFd: 0, pairStatsMapFd: 0 }), {
    message: /cannot create the reactor: map pair_control: /u,
  })
})
