// Namespaces, Unix sockets and the heartbeat of the addon, on the real kernel.
import assert from 'node:assert/strict'
import { readlinkSync } from 'node:fs'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import { loadNative } from '../../src/nodeproxy/native.ts'
import { defer, descriptors, scratchDir } from './support/scratch.ts'
import { EAGAIN, until } from './support/sockets.ts'

const native = loadNative()
const fixture = join(import.meta.dirname, '../../build/bpf/fixture-addon.bpf.o')

function netns(t: TestContext, ...addresses: string[]): number {
  const fd = native.netnsCreate(addresses)
  defer(t, () => native.closeFd(fd))
  return fd
}

function generations(t: TestContext): { fd: number; beats: BigUint64Array } {
  const object = native.bpfLoad(fixture, { skip: ['out_of_bounds'] })
  defer(t, () => object.close())
  const fd = object.maps['generations'] ?? assert.fail('no generations map')
  return { fd, beats: new BigUint64Array(native.bpfMapMmap(fd)) }
}

test('facts of a namespace: cookie, addresses but loopback and link-local, ports', async (t) => {
  const first = netns(t, '10.7.0.1', 'fd00:7::1', '169.254.3.4')
  const second = netns(t)
  const facts = await native.netnsInspect(first)
  assert.deepEqual([...facts.addresses].sort(), ['10.7.0.1', 'fd00:7::1'])
  assert.deepEqual(facts.localPortRange, [32768, 60999])
  const other = await native.netnsInspect(second)
  assert.deepEqual(other.addresses, [])
  assert.notEqual(facts.cookie, other.cookie)
  assert.equal((await native.netnsInspect(first)).cookie, facts.cookie)
})

test('listeners are on loopback, inside, and for plain TCP', async (t) => {
  const inside = netns(t)
  for (const [family, address] of [
    [4, '127.0.0.1'],
    [6, '::1'],
  ] as const) {
    const listener = await native.netnsListen(inside, family, 16)
    defer(t, () => native.closeFd(listener))
    const local = native.socketLocal(listener)
    assert.equal(local.address, address)
    const client = native.socketOpen(inside, family, 0)
    defer(t, () => native.closeFd(client))
    native.socketConnect(client, address, local.port)
    const accepted = await until('the connection', () => {
      const fd = native.socketAccept(listener)
      return fd >= 0 && { fd }
    })
    native.closeFd(accepted.fd)
    // Non-blocking: an empty queue answers at once.
    assert.equal(native.socketAccept(listener), EAGAIN)
  }
})

test("this process's own threads stay where they are", async (t) => {
  const before = readlinkSync('/proc/thread-self/ns/net')
  const inside = netns(t)
  const made = await Promise.all(
    Array.from({ length: 200 }, () => native.netnsListen(inside, 4, 1)),
  )
  for (const fd of made) native.closeFd(fd)
  const { cookie } = await native.netnsInspect(inside)
  const own = native.netnsOpen('/proc/self/ns/net')
  defer(t, () => native.closeFd(own))
  assert.notEqual((await native.netnsInspect(own)).cookie, cookie)
  assert.equal(readlinkSync('/proc/thread-self/ns/net'), before)
})

test('what is no namespace is refused, with a reason', async (t) => {
  assert.throws(() => native.netnsOpen('/etc/passwd'), /not a network namespace/)
  assert.throws(() => native.netnsOpen('/proc/self/ns/uts'), /not a network namespace/)
  assert.throws(() => native.netnsOpen('/nonexistent'), /ENOENT/)
  const dir = scratchDir(t)
  assert.throws(() => native.netnsOpen(dir), /not a network namespace/)
  const { fd } = generations(t)
  await assert.rejects(native.netnsListen(fd, 4, 1), /cannot enter it: .*EINVAL/)
  await assert.rejects(native.netnsInspect(fd), /cannot enter it/)
})

test('a call that is under way does not need the descriptor any more, and leaks none', async () => {
  const before = descriptors().length
  const inside = native.netnsCreate([])
  const listening = native.netnsListen(inside, 4, 1)
  native.closeFd(inside)
  native.closeFd(await listening)
  await until('all closed', () => descriptors().length <= before)
})

test('messages with descriptors cross a Unix socket whole', async (t) => {
  const [client, server] = unixPair(t)
  const inside = netns(t)
  const listener = await native.netnsListen(inside, 4, 1)
  defer(t, () => native.closeFd(listener))
  assert.equal(native.unixReceive(server, 100, 4), undefined)
  assert.equal(native.unixSend(client, Buffer.from('hello'), [listener, listener]), 5)
  assert.equal(native.unixSend(client, Buffer.from('again'), []), 5)
  const got = native.unixReceive(server, 100, 4) ?? assert.fail()
  assert.equal(Buffer.from(got.message).toString(), 'hello')
  assert.equal(got.fds.length, 2)
  for (const fd of got.fds) {
    assert.equal(native.socketCookie(fd), native.socketCookie(listener))
    native.closeFd(fd)
  }
  assert.equal(native.unixReceive(server, 100, 4)?.message.length, 5)
  native.closeFd(client)
  assert.equal(native.unixReceive(server, 100, 4)?.message.length, 0)
})

test('a message that does not fit is refused and its descriptors are closed', async (t) => {
  const [client, server] = unixPair(t)
  defer(t, () => native.closeFd(client))
  const before = descriptors().length
  native.unixSend(client, new Uint8Array(50), [client])
  assert.throws(() => native.unixReceive(server, 10, 4), /EMSGSIZE/)
  native.unixSend(client, new Uint8Array(5), [client, client, client])
  assert.throws(() => native.unixReceive(server, 10, 2), /EMSGSIZE/)
  assert.equal(descriptors().length, before)
  await until('a full queue', () => native.unixSend(client, new Uint8Array(9000), []) < 0)
  assert.equal(native.unixSend(client, new Uint8Array(9000), []), EAGAIN)
  assert.throws(() => native.unixConnect('/nonexistent/socket'), /ENOENT/)
  assert.throws(() => native.unixConnect('/'.repeat(200)), /ENAMETOOLONG/)
})

/** The test closes the first end. */
function unixPair(t: TestContext): readonly [number, number] {
  const pair = native.unixPair()
  defer(t, () => native.closeFd(pair[1]))
  return pair
}

test('the heartbeat beats before it returns, goes on, and clears its own word alone', async (t) => {
  const { fd, beats } = generations(t)
  beats[0] = 5n
  const heart = native.heartbeatStart(fd, 2, 5)
  const first = beats[2] ?? 0n
  assert.ok(native.clockMonotonicNs() - first < 5_000_000_000n && first > 0n)
  await until('three more beats', () => {
    const now = beats[2] ?? 0n
    return now > first + 3n * 5_000_000n
  })
  heart.stop()
  heart.stop()
  assert.deepEqual([...beats], [5n, 0n, 0n, 0n])
  assert.throws(() => native.heartbeatStart(fd, 4, 5), /generation 4/)
  assert.throws(() => native.heartbeatStart(0, 1, 5), /cannot start the heartbeat/)
})

test('a busy event loop does not stop the heart', async (t) => {
  const { fd, beats } = generations(t)
  const heart = native.heartbeatStart(fd, 1, 5)
  defer(t, () => heart.stop())
  const first = beats[1] ?? 0n
  while ((beats[1] ?? 0n) === first) {} // this thread does nothing else
  assert.ok((beats[1] ?? 0n) > first)
})

test('a worker that is ended in the middle of everything takes only its own with it', async (t) => {
  const { fd, beats } = generations(t)
  const before = descriptors(/bpf|eventpoll/).length
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(join(import.meta.dirname, 'support/native-worker.ts'), {
      workerData: { fixture, generationsFd: fd },
    })
    await new Promise((resolve) => worker.once('message', resolve))
    assert.ok((beats[3] ?? 0n) > 0n)
    await worker.terminate()
    assert.equal(beats[3], 0n)
  }
  // Plain numbers that JavaScript had are lost with it; what the addon owned is closed.
  assert.equal(descriptors(/bpf|eventpoll/).length, before)
})
