// What apps do to accelerated sockets that acceleration does not suit.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { KernelEvent } from '../../src/nodeproxy/kernel/events.ts'
import { inHash, openConnection } from './support/connection.ts'
import { createPod } from './support/pod.ts'
import { pythonInPod } from './support/program.ts'
import { createRig } from './support/rig.ts'
import { createSockets, until } from './support/sockets.ts'

const SOL_SOCKET = 1
const SO_RCVBUF = 8
const SO_ZEROCOPY = 60
const SOL_TCP = 6
const TCP_ULP = 31
const ENOENT = -2
const ENOPROTOOPT = -92

const number = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer)
const tls = Buffer.from('tls')

test('kTLS and zero-copy are refused on sockets in the sockhash, and on those alone', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  const set = (fd: number, level: number, option: number, value: Uint8Array) =>
    rig.counted(() => native.socketSetOption(fd, level, option, value))
  for (const fd of [it.client, it.server]) {
    const ulp = set(fd, SOL_TCP, TCP_ULP, tls)
    assert.deepEqual([ulp.result, ulp.rose], [ENOENT, { sockoptUlpRefused: 1 }])
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
  // Whatever the kernel itself says of it, it was not us.
  assert.deepEqual(set(plain.fd, SOL_TCP, TCP_ULP, tls).rose, { sockoptUntouched: 1 })
})

test('options that are none of our business are passed on whole', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const printed = pythonInPod(
    pod,
    `
import socket, struct
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 7))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b'reno')
big = b'x' * 5000
try:
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, big)
except OSError as error:
    print(error)
print(struct.unpack('ii', s.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8)))
print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(b'\\0'))
`,
  )
  assert.equal(printed, "(1, 7)\nb'reno'\n")
})

test('full: a splice(2) reader is seen, reported, and its next sockets stay out', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const events: KernelEvent[] = []
  rig.kernel.onEvent((event) => events.push(event))
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const { rose } = rig.counted(() =>
    pythonInPod(
      pod,
      `
import os, socket
s = socket.socket()
s.setblocking(False)
s.connect_ex(('10.96.0.10', 80))
r, w = os.pipe()
for _ in range(2):
    try:
        os.splice(s.fileno(), w, 100, flags=2)
    except BlockingIOError:
        pass
`,
    ),
  )
  assert.equal(rose.spliceUser, 1)
  await until('the event', () => events.some(({ kind }) => kind === 'spliceUser'))
  const event = events.find((it) => it.kind === 'spliceUser')
  assert.ok(event?.kind === 'spliceUser')
  assert.equal(event.netnsCookie, pod.cookie)
  sockets.close(await sockets.accept(pod.listeners.outbound4))
  const next = await rig.countedAsync(() =>
    openConnection(rig, sockets, pod, { accelerate: 'full', server }),
  )
  assert.ok((next.rose.hashSkippedSplice ?? 0) >= 1)
  assert.equal(inHash(rig, next.result.client), false)
})

test('auto: a splice(2) reader is none of our business', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const { rose } = rig.counted(() =>
    pythonInPod(
      pod,
      `
import os, socket
s = socket.socket()
s.setblocking(False)
s.connect_ex(('10.96.0.10', 80))
r, w = os.pipe()
try:
    os.splice(s.fileno(), w, 100, flags=2)
except BlockingIOError:
    pass
`,
    ),
  )
  assert.equal(rose.spliceUser, undefined)
  sockets.close(await sockets.accept(pod.listeners.outbound4))
  const next = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  assert.ok(inHash(rig, next.client))
})
