// What apps do to accelerated sockets that acceleration does not suit.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test from 'node:test'
import type { KernelEvent } from '../../src/nodeproxy/kernel/events.ts'
import { inHash, openConnection } from './support/connection.ts'
import { createPod } from './support/pod.ts'
import { runInPod } from './support/program.ts'
import { cgroupId, createRig, type Rig } from './support/rig.ts'
import { createSockets, EAGAIN, until } from './support/sockets.ts'

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_LINGER = 13
const SO_ZEROCOPY = 60
const SOL_TCP = 6
const TCP_CONGESTION = 13
const ECONNRESET = -104
const ENOPROTOOPT = -92

const number = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer)

test('zero-copy is refused on sockets in the sockhash, and on those alone', async (t) => {
  const rig = createRig(t, { everyMode: true })
  const { native } = rig
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  const set = (fd: number, level: number, option: number, value: Uint8Array) =>
    rig.counted(() => native.socketSetOption(fd, level, option, value))
  for (const fd of [it.client, it.server]) {
    const zerocopy = set(fd, SOL_SOCKET, SO_ZEROCOPY, number(1))
    assert.deepEqual([zerocopy.result, zerocopy.rose], [ENOPROTOOPT, { sockoptZerocopyRefused: 1 }])
    const off = set(fd, SOL_SOCKET, SO_ZEROCOPY, number(0))
    assert.deepEqual([off.result, off.rose], [0, { sockoptUntouched: 1 }])
    const other = set(fd, SOL_SOCKET, SO_RCVBUF, number(65536))
    assert.deepEqual([other.result, other.rose], [0, { sockoptUntouched: 1 }])
  }
  const listener = sockets.listen(pod.netnsFd, '127.0.0.1', 9000)
  const plain = sockets.connect(pod.netnsFd, '127.0.0.1', 9000)
  await sockets.accept(listener)
  assert.deepEqual(set(plain.fd, SOL_SOCKET, SO_ZEROCOPY, number(1)).result, 0)
})

test('options that are none of our business are passed on whole', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const listener = sockets.listen(pod.netnsFd, '127.0.0.1', 9000)
  const { fd } = sockets.connect(pod.netnsFd, '127.0.0.1', 9000)
  const accepted = await sockets.accept(listener)
  const long = new Uint8Array(5000) // longer than the page that the hook is shown
  long.set(number(70_000))
  assert.equal(native.socketSetOption(fd, SOL_SOCKET, SO_RCVBUF, long), 0)
  assert.equal(native.socketSetOption(fd, SOL_TCP, TCP_CONGESTION, Buffer.from('reno')), 0)
  const shown = runInPod(pod, 'ss', ['-tinm', 'dport', '=', ':9000'])
  assert.match(shown, /rb140000/u)
  assert.match(shown, /\breno\b/u)
  const lingerZero = new Uint8Array([...number(1), ...number(0)])
  assert.equal(native.socketSetOption(fd, SOL_SOCKET, SO_LINGER, lingerZero), 0)
  sockets.close(fd)
  assert.equal(native.socketReceive(accepted, new Uint8Array(1)), ECONNRESET)
})

/** A pipe that splice(2) may write into. */
function openPipe(rig: Rig): number {
  const path = join(mkdtempSync(join(tmpdir(), 'sluice-pipe-')), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, 'r+')
  rig.defer(() => {
    closeSync(fd)
    rmSync(dirname(path), { recursive: true })
  })
  return fd
}

test('full: a program whose first read is a splice(2) gets every byte', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  const pipe = openPipe(rig)
  const sent = ['some ', 'bytes ', 'before ', 'it ', 'reads ']
  for (const bytes of sent) sockets.send(it.p1, bytes)
  let spliced = 0
  await until('all bytes to be spliced', () => {
    const result = rig.native.socketSplice(it.client, pipe, 100)
    if (result > 0) spliced += result
    else assert.equal(result, EAGAIN)
    return spliced === sent.join('').length
  })
  const later = rig.counted(() => sockets.send(it.p1, 'later'))
  assert.equal(later.rose.verdictToApp, undefined)
  await until('what came later', () => rig.native.socketSplice(it.client, pipe, 100) === 5)
  const into = new Uint8Array(100)
  assert.equal(
    Buffer.from(into.subarray(0, readSync(pipe, into))).toString(),
    `${sent.join('')}later`,
  )
})

test('full: a splice(2) reader is seen, reported, and its next sockets stay out', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const events: KernelEvent[] = []
  rig.kernel.onEvent((event) => events.push(event))
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  assert.ok(inHash(rig, it.client))
  const pipe = openPipe(rig)
  const splice = (): number => rig.native.socketSplice(it.client, pipe, 100)
  assert.equal(rig.counted(splice).rose.spliceUser, 1)
  assert.equal(rig.counted(splice).rose.spliceUser, undefined, 'told once')
  const [event] = await until('the event', () => events.length > 0 && events)
  assert.ok(event?.kind === 'spliceUser')
  const { netnsCookie, cgroupId: cgroup, pid } = event
  assert.deepEqual(
    { netnsCookie, cgroup, pid },
    { netnsCookie: pod.cookie, cgroup: cgroupId(rig.cgroups.app), pid: process.pid },
  )
  // Nothing more is redirected into it.
  sockets.send(it.p2, 'x')
  const sent = rig.counted(() => sockets.send(it.p1, 'by TCP'))
  assert.equal(sent.rose.verdictToApp, undefined)
  assert.equal(splice(), 6)
  const next = await rig.countedAsync(() =>
    openConnection(rig, sockets, pod, { accelerate: 'full', server }),
  )
  assert.ok((next.rose.hashSkippedSplice ?? 0) >= 1)
  assert.equal(inHash(rig, next.result.client), false)
  const why = (netns: bigint, id: bigint): string => rig.kernel.whyLeftOut(netns, id)
  assert.match(why(pod.cookie, cgroup), /reads by splice\(2\)/u)
  const others = [why(pod.cookie, cgroup + 1n), why(pod.cookie + 1n, cgroup)]
  assert.deepEqual(others, ['', ''])
})

test('auto: a splice(2) reader is none of our business', async (t) => {
  const rig = createRig(t, { everyMode: true })
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  const pipe = openPipe(rig)
  sockets.send(it.p1, 'by TCP')
  const { result, rose } = rig.counted(() => rig.native.socketSplice(it.client, pipe, 100))
  assert.equal(result, 6)
  assert.equal(rose.spliceUser, undefined)
  const next = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  assert.ok(inHash(rig, next.client))
})
