// Where the kernel has little memory for sockets: a redirect would fail in the app's own send(2),
// which is told ENOMEM, or wait for a wake-up that never comes; bytes by TCP do neither.
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { type Connection, inHash, openConnection, pairDirection } from './support/connection.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, type Sockets, until } from './support/sockets.ts'

const TCP_MEM = '/proc/sys/net/ipv4/tcp_mem'
const MEMORY_CGROUP = '/sys/fs/cgroup/memory'
const TCP_LIMIT = 'memory.kmem.tcp.limit_in_bytes'

const PIECE = 8192
const QUEUED = 3 << 20

interface Stage {
  readonly rig: Rig
  readonly sockets: Sockets
  readonly it: Connection
}

async function connect(t: TestContext): Promise<Stage> {
  const rig = createRig(t, {
    settings: { pairLimitBytes: 16 << 20, legLimitBytes: 16 << 20, nodeLimitBytes: 64 << 20 },
  })
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  for (const [from, to] of [
    [it.p1, it.client],
    [it.p2, it.server],
  ] as const) {
    sockets.send(from, 'hello')
    await sockets.read(to, 5)
  }
  return { rig, sockets, it }
}

/** Pages that all TCP sockets of this kernel hold. */
function tcpPages(): number {
  const pages = /^TCP:.* mem (\d+)$/mu.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1]
  assert.ok(pages !== undefined)
  return Number(pages)
}

/**
 * All TCP of this kernel is under pressure while `work` runs, which is for a moment: a socket that
 * holds much gets no more, one that holds little does.
 */
function underPressure<T>(work: () => T): T {
  const limits = readFileSync(TCP_MEM, 'utf8')
  writeFileSync(TCP_MEM, `1 1 ${tcpPages() + 1024}`)
  try {
    return work()
  } finally {
    writeFileSync(TCP_MEM, limits)
  }
}

/** Not the same byte twice in a row, nor the same row twice. */
function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * 7 + seed) & 255)
}

const skip = !existsSync(TCP_MEM) && 'kernel: net.ipv4.tcp_mem is seen in its first netns alone'

test("while TCP's memory is short, bytes go by TCP, in every way", { skip }, async (t) => {
  for (const [name, from, to, want] of [
    ['verdictToLeg', 'client', 'p1', false],
    ['verdictToApp', 'p2', 'server', false],
    ['verdictDirect', 'client', 'server', true],
  ] as const) {
    await t.test(name, async (s) => {
      const { rig, sockets, it } = await connect(s)
      pairDirection(rig, it.client, it.server, 0).want(want)
      const send = (bytes: Uint8Array) => rig.counted(() => sockets.send(it[from], bytes))
      const queued = bytesOf(QUEUED, 1)
      let sent = 0
      await until('a long queue', () => {
        const { result, rose } = send(queued.subarray(sent))
        assert.ok(result > 0 && (rose[name] ?? 0) > 0, `${result}: ${JSON.stringify(rose)}`)
        sent += result
        return sent === QUEUED
      })
      const piece = bytesOf(PIECE, 2)
      const short = underPressure(() => send(piece))
      assert.deepEqual([short.result, short.rose.verdictMemory], [PIECE, 1])
      assert.equal(short.rose[name], undefined)
      const read = await sockets.read(it[to], QUEUED)
      assert.ok(Buffer.from(read).equals(queued))
      const way = want ? it.p1 : it[to]
      assert.ok(Buffer.from(await sockets.read(way, PIECE)).equals(piece))
      // The pressure ends with the next allocation, by whoever makes it.
      for (let sends = 1; (send(piece).rose[name] ?? 0) === 0; sends += 1) {
        assert.ok(sends < 100, 'the short way is taken again')
        await sockets.read(way, PIECE)
      }
    })
  }
})

test("while TCP's memory is short, no socket enters", { skip }, async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const open = () => sockets.connect(pod.netnsFd, '10.96.0.10', 80)
  const short = rig.counted(() => underPressure(open))
  assert.equal(short.rose.hashSkippedMemory, 1)
  assert.equal(inHash(rig, short.result.fd), false)
  await until('others to enter', () => inHash(rig, open().fd))
})

interface LimitedGroup {
  /** From here on this process is inside, with what it opens and accepts. */
  readonly enter: () => void
  readonly leave: () => void
}

/** A cgroup whose TCP sockets may hold 1 MiB together. */
function limitedGroup(rig: Rig): LimitedGroup {
  const group = join(MEMORY_CGROUP, `sluice-memory-${process.pid}`)
  const own = /^\d+:memory:(.*)$/mu.exec(readFileSync('/proc/self/cgroup', 'utf8'))?.[1] ?? '/'
  const move = (to: string) => writeFileSync(join(to, 'cgroup.procs'), `${process.pid}`)
  const leave = () => move(join(MEMORY_CGROUP, own))
  mkdirSync(group)
  rig.defer(() => {
    leave()
    rmdirSync(group)
  })
  writeFileSync(join(group, TCP_LIMIT), `${1 << 20}`)
  return { enter: () => move(group), leave }
}

const noLimits =
  !existsSync(join(MEMORY_CGROUP, TCP_LIMIT)) && 'kernel: no cgroup v1 with limits for TCP memory'

test('sockets of a cgroup with a limit for TCP memory stay out', { skip: noLimits }, async (t) => {
  const rig = createRig(t)
  const group = limitedGroup(rig)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const options = { accelerate: 'full', server } as const

  group.enter()
  const client = await rig.countedAsync(() => openConnection(rig, sockets, pod, options))
  assert.equal(client.rose.hashSkippedMemory, 1)
  assert.equal(inHash(rig, client.result.client), false)
  group.leave()

  // The other end has its cgroup from accept(2) on, and leaves before anything was redirected.
  const beforeAccept = group.enter
  const it = await openConnection(rig, sockets, pod, { ...options, beforeAccept })
  assert.ok(inHash(rig, it.server))
  const sent = rig.counted(() => sockets.send(it.p2, 'to the app'))
  assert.equal(sent.rose.verdictToApp, undefined)
  assert.equal((await sockets.read(it.server, 10)).length, 10)
  const left = await rig.countedAsync(async () => {
    sockets.send(it.server, 'from the app')
    await sockets.read(it.p2, 12)
    await until('it to leave', () => !inHash(rig, it.server))
  })
  assert.equal(left.rose.hashLeftMemory, 1)
  group.leave()

  const other = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8081), port: 8081 }
  const outside = await openConnection(rig, sockets, pod, { ...options, server: other })
  assert.ok(inHash(rig, outside.client) && inHash(rig, outside.server))
})
