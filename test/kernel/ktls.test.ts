// kTLS beside acceleration: a socket that is in the sockhash is refused the TLS ULP, as on a kernel
// without it, so its app goes on in user space; one that is out of it has kernel TLS whole, with
// nothing but records on the proxy's side.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Connection, inHash, openConnection } from './support/connection.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, EAGAIN } from './support/sockets.ts'

const SOL_TCP = 6
const TCP_ULP = 31
const SOL_TLS = 282
const TLS_TX = 1
const TLS_RX = 2
const TLS_1_2 = 0x0303
const TLS_CIPHER_AES_GCM_128 = 51
const ENOENT = -2
const bytesEachWay = 120_000
const connections = 3
const waitMs = 60_000

type End = 'client' | 'server'

/** Whether this kernel has the TLS ULP, asked on a connection that nobody accelerates. */
async function hasTls(rig: Rig): Promise<boolean> {
  const pod = await createPod(rig, { ipv4: '10.77.0.9', ipv6: 'fd77::9' })
  const sockets = createSockets(rig)
  const listener = sockets.listen(pod.netnsFd, '127.0.0.1', 9000)
  const { fd } = sockets.connect(pod.netnsFd, '127.0.0.1', 9000)
  await sockets.accept(listener)
  const { result, rose } = rig.counted(() => setTls(rig, fd))
  assert.deepEqual(rose, { sockoptUntouched: 1 })
  assert.ok(result === 0 || result === ENOENT, `TCP_ULP: errno ${-result}`)
  return result === 0
}

function setTls(rig: Rig, fd: number): number {
  return rig.native.socketSetOption(fd, SOL_TCP, TCP_ULP, Buffer.from('tls'))
}

/** struct tls12_crypto_info_aes_gcm_128, with keys that both ends know without a handshake. */
function cryptoInfo(sender: End): Uint8Array {
  const info = Buffer.alloc(40, sender === 'client' ? 0x5a : 0xa5)
  info.writeUInt16LE(TLS_1_2, 0)
  info.writeUInt16LE(TLS_CIPHER_AES_GCM_128, 2)
  info.fill(0, 32) // the first record's number
  return info
}

function startTls({ native }: Rig, fd: number, own: End): void {
  const other = own === 'client' ? 'server' : 'client'
  assert.equal(native.socketSetOption(fd, SOL_TLS, TLS_TX, cryptoInfo(own)), 0)
  assert.equal(native.socketSetOption(fd, SOL_TLS, TLS_RX, cryptoInfo(other)), 0)
}

/** Text that repeats at no distance a buffer might have. */
function streamOf(seed: number): Buffer {
  const words = Array.from({ length: bytesEachWay / 8 }, (_, index) => index * 16 + seed)
  return Buffer.from(words.map((word) => String(word).padStart(8, '.')).join(''))
}

/** What came out of `to`, and what the proxy saw on the way. */
interface Moved {
  readonly got: Buffer
  readonly proxied: Buffer
}

/** One direction: an app sends, the proxy forwards from one leg to the other, an app receives. */
function mover(rig: Rig, fds: readonly [number, number, number, number], bytes: Buffer) {
  const { native } = rig
  const [from, legIn, legOut, to] = fds
  const buffer = new Uint8Array(50_000)
  const moved: { got: Buffer[]; proxied: Buffer[] } = { got: [], proxied: [] }
  let sent = 0
  let received = 0
  let held: Uint8Array = new Uint8Array()
  const receive = (fd: number): Buffer => {
    const result = native.socketReceive(fd, buffer)
    assert.ok(result > 0 || result === EAGAIN, `recv: ${result}`)
    return Buffer.from(buffer.subarray(0, Math.max(result, 0)))
  }
  const send = (fd: number, chunk: Uint8Array): number => {
    const result = chunk.length === 0 ? 0 : native.socketSend(fd, chunk)
    assert.ok(result >= 0 || result === EAGAIN, `send: errno ${-result}`)
    return Math.max(result, 0)
  }
  const step = (): boolean => {
    sent += send(from, bytes.subarray(sent, sent + 30_011))
    if (held.length === 0) {
      held = receive(legIn)
      moved.proxied.push(Buffer.from(held))
    }
    held = held.subarray(send(legOut, held))
    const came = receive(to)
    moved.got.push(came)
    received += came.length
    return received >= bytes.length
  }
  const result = (): Moved => ({
    got: Buffer.concat(moved.got),
    proxied: Buffer.concat(moved.proxied),
  })
  return { step, result }
}

async function exchange(rig: Rig, it: Connection, encrypted: boolean): Promise<void> {
  const texts = [streamOf(1), streamOf(2)] as const
  const movers = [
    mover(rig, [it.client, it.p1, it.p2, it.server], texts[0]),
    mover(rig, [it.server, it.p2, it.p1, it.client], texts[1]),
  ]
  const deadline = performance.now() + waitMs
  while (movers.map(({ step }) => step()).includes(false)) {
    assert.ok(performance.now() < deadline, `bytes did not arrive within ${waitMs} ms`)
    await setImmediate()
  }
  for (const [index, text] of texts.entries()) {
    const { got, proxied } = movers[index]?.result() ?? assert.fail('a direction is missing')
    assert.ok(got.equals(text), 'bytes lost, reordered or changed')
    const clear = proxied.includes(text.subarray(0, 64)) || proxied.includes(text.subarray(-64))
    assert.equal(clear, !encrypted, encrypted ? 'clear text left the app' : 'not the bytes sent')
    assert.equal(proxied.length > text.length, encrypted)
  }
}

for (const accelerate of ['auto', 'full'] as const) {
  test(`${accelerate}: accelerated sockets get no kTLS, and carry on without`, async (t) => {
    const rig = createRig(t, { everyMode: true })
    const pod = await createPod(rig, { accelerate })
    const sockets = createSockets(rig)
    const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
    for (let count = 0; count < connections; count += 1) {
      const it = await openConnection(rig, sockets, pod, { accelerate, server })
      for (const fd of [it.client, it.server]) {
        assert.ok(inHash(rig, fd))
        const { result, rose } = rig.counted(() => setTls(rig, fd))
        assert.deepEqual([result, rose], [ENOENT, { sockoptUlpRefused: 1 }])
      }
      const { rose } = await rig.countedAsync(() => exchange(rig, it, false))
      assert.ok((rose.verdictToLeg ?? 0) > 0, 'it is accelerated all the same')
    }
  })

  test(`${accelerate}: sockets that are left out have kTLS, byte for byte`, async (t) => {
    const rig = createRig(t, { everyMode: true })
    if (!(await hasTls(rig))) {
      t.skip('kernel: no TLS ULP')
      return
    }
    const { native } = rig
    const pod = await createPod(rig, { accelerate })
    const sockets = createSockets(rig)
    const before = (fd: number): void => void native.socketSetBlocking(fd, true, 'fcntl')
    for (let count = 0; count < connections; count += 1) {
      // The first connection of a listener that blocks: nothing is known of its sockets yet.
      const server = { fd: sockets.open(pod.netnsFd, 4), port: 8080 + count }
      native.socketSetBlocking(server.fd, true, 'fcntl')
      native.socketBind(server.fd, pod.ipv4, server.port)
      native.socketListen(server.fd, 16)
      const connect = { before }
      const it = await openConnection(rig, sockets, pod, { accelerate, server, connect })
      native.socketSetBlocking(it.client, false, 'fcntl')
      const ends = [it.client, it.p1, it.p2, it.server]
      assert.deepEqual(
        ends.map((fd) => inHash(rig, fd)),
        ends.map(() => false),
      )
      for (const fd of [it.client, it.server]) assert.equal(setTls(rig, fd), 0)
      startTls(rig, it.client, 'client')
      startTls(rig, it.server, 'server')
      await exchange(rig, it, true)
      for (const fd of ends) sockets.close(fd)
    }
  })
}
