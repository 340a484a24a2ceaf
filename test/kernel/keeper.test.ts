// The keeper beside real processes: proxies that are killed, keepers that are killed and replaced.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, rmdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test from 'node:test'
import { openKeeper } from '../../src/nodeproxy/keeper/client.ts'
import { KeeperRefusal } from '../../src/nodeproxy/keeper/connection.ts'
import { attachTypes } from '../../src/nodeproxy/preflight/attach-types.ts'
import { realTime } from '../../src/nodeproxy/time/scheduler.ts'
import { accept, begin, connect, ECONNRESET, outcome } from './support/keeper-apps.ts'
import { createKeeperRig, keeperProcesses } from './support/keeper-rig.ts'
import { defer, eventually, scratchDir } from './support/scratch.ts'

test('listeners outlive a killed proxy, and nothing is refused meanwhile', async (t) => {
  // Longer than an emulated guest takes to come back.
  const rig = createKeeperRig(t, { giveUpAfterMs: 120_000 })
  const inside = rig.netns()
  const proxy = await rig.proxy()
  const { generationsPin = '' } = rig.program
  await proxy.order({ do: 'beat', generationsPin })
  const { path } = inside
  const port = await proxy.order({ do: 'keep', uid: 'pod-1', netns: path, alivePath: '' })
  await proxy.kill()
  const clients = []
  for (let i = 0; i < 100; i++) clients.push(await connect(t, rig, inside.fd, port))

  const keeper = await rig.connect()
  const heart = rig.native.heartbeatStart(rig.native.bpfGetPinned(generationsPin), 1, 20)
  defer(t, () => heart.stop())
  const [pod] = await keeper.list()
  assert.equal(pod?.uid, 'pod-1')
  assert.equal(pod.facts, path)
  const listener = pod.fds[0] ?? assert.fail('no listener')
  defer(t, () => rig.native.closeFd(listener))
  // Each is answered, in the order of the backlog.
  for (const { fd } of clients) {
    const server = await accept(t, rig, listener)
    assert.equal(rig.native.socketSend(server.fd, Buffer.from('ok')), 2)
    assert.equal(await outcome(rig, fd), 2)
  }
  assert.equal((await keeper.stats()).waitingReset, 0)
})

test('what waits without any beat is reset, and what comes after a beat is not', async (t) => {
  const rig = createKeeperRig(t, { giveUpAfterMs: 300 })
  const inside = rig.netns()
  const keeper = await rig.connect()
  const heart = rig.native.heartbeatStart(
    rig.native.bpfGetPinned(rig.program.generationsPin ?? ''),
    1,
    20,
  )
  const listener = await rig.native.netnsListen(inside.fd, 4, 8)
  defer(t, () => rig.native.closeFd(listener))
  await keeper.putListeners({ uid: 'a', alivePath: '', facts: '', fds: [listener] })
  const { port } = rig.native.socketLocal(listener)
  const waiting = await connect(t, rig, inside.fd, port)
  const since = rig.native.clockMonotonicNs()
  await eventually(
    'three times as long',
    () => rig.native.clockMonotonicNs() - since > 900_000_000n,
  )
  assert.equal((await keeper.stats()).waitingReset, 0)
  heart.stop()
  assert.equal(await outcome(rig, waiting.fd), ECONNRESET)
  const late = begin(t, rig, inside.fd, port)
  assert.equal(await outcome(rig, late.fd), ECONNRESET)
  assert.equal((await keeper.stats()).waitingReset, 2)

  rig.beats[2] = rig.native.clockMonotonicNs() + 3_600_000_000_000n
  // The very next one: the keeper looks at the beat before each connection that it would reset.
  const client = begin(t, rig, inside.fd, port)
  const server = await accept(t, rig, listener)
  rig.native.socketSend(server.fd, Buffer.from('ok'))
  assert.equal(await outcome(rig, client.fd), 2)
  assert.equal((await keeper.stats()).waitingReset, 2)
})

for (const how of ['dropped', 'vanished'] as const) {
  test(`the namespace of a pod that is ${how} ends, although no proxy lives`, async (t) => {
    const rig = createKeeperRig(t)
    const { native } = rig
    const netns = native.netnsCreate([])
    const program = rig.programs['leave_alone'] ?? assert.fail('no program')
    const link = native.bpfLinkCreate(program, netns, attachTypes.skLookup)
    defer(t, () => native.closeFd(link))
    const alivePath = join(scratchDir(t), 'pod')
    mkdirSync(alivePath)
    const listeners = [await native.netnsListen(netns, 4, 8), await native.netnsListen(netns, 6, 8)]
    const keeper = await rig.connect()
    await keeper.putListeners({ uid: 'a', alivePath, facts: '', fds: listeners })
    await keeper.putListeners({ uid: 'b', alivePath: '', facts: '', fds: [listeners[0] ?? -1] })
    await keeper.dropPod('b')
    for (const fd of [netns, ...listeners]) native.closeFd(fd)
    native.bpfLinkUpdate(link, program) // the keeper alone holds it now
    const since = performance.now()
    if (how === 'dropped') assert.equal(await keeper.dropPod('a'), true)
    else rmdirSync(alivePath)
    // A link does not hold its namespace: it goes dead with it.
    await eventually('the end of the namespace', () => {
      try {
        native.bpfLinkUpdate(link, program)
        return false
      } catch (error) {
        return (error as { code?: string }).code === 'ENOLINK'
      }
    })
    t.diagnostic(`${Math.round(performance.now() - since)} ms`)
    assert.equal((await keeper.stats()).podsVanished, how === 'vanished' ? 1 : 0)
    assert.equal((await keeper.stats()).listeners, 0)
  })
}

test('a killed keeper is replaced, everything is put again, and nothing is refused', async (t) => {
  // No proxy beats here: a connection must not be given up before a slow machine accepts it.
  const rig = createKeeperRig(t, { giveUpAfterMs: 120_000 })
  const inside = rig.netns()
  let replaced = 0
  const keeper = await rig.connect((error) => {
    assert.equal(error, undefined)
    replaced++
  })
  const listener = await rig.native.netnsListen(inside.fd, 4, 8)
  defer(t, () => rig.native.closeFd(listener))
  for (let i = 0; i < 50; i++) {
    await keeper.putListeners({ uid: `pod-${i}`, alivePath: '', facts: '', fds: [listener] })
  }
  await keeper.dropPod('pod-7')
  const { port } = rig.native.socketLocal(listener)
  for (let round = 1; round <= 3; round++) {
    const { pid } = await keeper.process()
    process.kill(pid, 'SIGKILL')
    const client = await connect(t, rig, inside.fd, port)
    // Asked while it is away: answered by the next.
    assert.equal((await keeper.stats()).pods, 49)
    await eventually('the report', () => replaced === round)
    assert.notEqual((await keeper.process()).pid, pid)
    const server = await accept(t, rig, listener)
    rig.native.socketSend(server.fd, Buffer.from('ok'))
    assert.equal(await outcome(rig, client.fd), 2)
  }
})

test('proxies that start at the same time share one keeper', async (t) => {
  const rig = createKeeperRig(t)
  const keepers = await Promise.all(Array.from({ length: 5 }, () => rig.connect()))
  const processes = await Promise.all(keepers.map((keeper) => keeper.process()))
  assert.equal(new Set(processes.map(({ pid }) => pid)).size, 1)
  await eventually('the others to end', () => keeperProcesses(rig.program).length === 1)
  assert.deepEqual(
    keeperProcesses(rig.program),
    processes.slice(0, 1).map(({ pid }) => pid),
  )
})

test('another user is turned away, by the mode of the file and by its credentials', async (t) => {
  const rig = createKeeperRig(t)
  const keeper = await rig.connect()
  const { socketPath } = rig.program
  const asNobody = (): number => {
    process.seteuid?.(65534)
    try {
      return rig.native.unixConnect(socketPath)
    } finally {
      process.seteuid?.(0)
    }
  }
  chmodSync(dirname(socketPath), 0o755)
  assert.throws(asNobody, /EACCES/)
  chmodSync(socketPath, 0o666)
  const fd = asNobody()
  defer(t, () => rig.native.closeFd(fd))
  await eventually('the refusal', async () => (await keeper.stats()).peersRefused === 1)
  assert.equal(rig.native.unixReceive(fd, 100, 1)?.message.length, 0)
})

test('what the keeper refuses says what and why', async (t) => {
  const rig = createKeeperRig(t)
  const keeper = await rig.connect()
  const inside = rig.netns()
  const fd = await rig.native.netnsListen(inside.fd, 4, 8)
  defer(t, () => rig.native.closeFd(fd))
  const none = { alivePath: '', facts: '' }
  await assert.rejects(keeper.putListeners({ uid: 'a', ...none, fds: [] }), /pod a: wrong number/)
  await assert.rejects(
    keeper.putListeners({ uid: 'a', ...none, fds: Array.from({ length: 9 }, () => fd) }),
    /EMSGSIZE/,
  )
  await assert.rejects(
    keeper.putListeners({ uid: 'x'.repeat(200), ...none, fds: [fd] }),
    RangeError,
  )
  const cookies = { clientLegCookie: 99n, serverLegCookie: 98n, clientAppCookie: 0n }
  const slots = { serverAppCookie: 0n, slotToServer: -1, slotToClient: -1 }
  await assert.rejects(
    keeper.putPair({ ...cookies, ...slots, clientLegFd: fd, serverLegFd: fd }),
    (error) => error instanceof KeeperRefusal && /pair 99: .*ESTALE/.test(error.message),
  )
  assert.equal(await keeper.dropPod('never'), false)
  assert.equal(await keeper.dropPair(1n), false)
})

test('a keeper that cannot start says why', async (t) => {
  const rig = createKeeperRig(t)
  const open = (changes: object): Promise<unknown> =>
    openKeeper({
      native: rig.native,
      program: { ...rig.program, ...changes },
      generation: 1,
      scheduler: realTime,
      onReplaced: () => {},
    })
  await assert.rejects(
    open({ executable: '/nonexistent/keeper' }),
    /not built\? run `npm run build`/,
  )
  await assert.rejects(open({ generationsPin: '/nonexistent/pin' }), /ended at once with status 1/)
  await assert.rejects(open({ socketPath: '/nonexistent/dir/sock' }), /ended at once with status 1/)
})

test('SIGTERM ends it with status 0, and its socket and listeners with it', async (t) => {
  const rig = createKeeperRig(t)
  const { socketPath } = rig.program
  const child = spawn(rig.program.executable, ['--socket', socketPath], { stdio: 'ignore' })
  const ended = once(child, 'exit')
  await eventually('its socket', () => existsSync(socketPath))
  const keeper = await rig.connect()
  assert.equal((await keeper.process()).pid, child.pid)
  keeper.close()
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  assert.throws(() => rig.native.unixConnect(socketPath), /ENOENT/)
})
