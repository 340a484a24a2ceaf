import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { KeeperRig } from './keeper-rig.ts'
import { defer, eventually } from './scratch.ts'

const EAGAIN = -11
export const ECONNRESET = -104

export interface App {
  readonly fd: number
  readonly close: () => void
}

export function app(t: TestContext, rig: KeeperRig, fd: number): App {
  let open = true
  const close = (): void => {
    if (open) rig.native.closeFd(fd)
    open = false
  }
  defer(t, close)
  return { fd, close }
}

/** An app that is connecting inside the namespace. */
export function begin(t: TestContext, rig: KeeperRig, netnsFd: number, port: number): App {
  const begun = app(t, rig, rig.native.socketOpen(netnsFd, 4, 0))
  rig.native.socketConnect(begun.fd, '127.0.0.1', port)
  return begun
}

/** An app that has connected inside the namespace and sent one byte; it fails when refused. */
export async function connect(t: TestContext, rig: KeeperRig, netnsFd: number, port: number) {
  const { fd, close } = begin(t, rig, netnsFd, port)
  await eventually('the handshake', () => {
    const sent = rig.native.socketSend(fd, Buffer.from('>'))
    if (sent < 0 && sent !== EAGAIN) throw new Error(`connect: errno ${-sent}`)
    return sent === 1
  })
  return { fd, close }
}

/** What a read comes to once it does not have to wait: bytes, 0 at the end, or a negative errno. */
export function outcome(rig: KeeperRig, fd: number): Promise<number> {
  return eventually('an outcome', () => {
    const result = rig.native.socketReceive(fd, new Uint8Array(65536))
    return result !== EAGAIN && { result }
  }).then(({ result }) => result)
}

export async function accept(t: TestContext, rig: KeeperRig, listener: number): Promise<App> {
  const { fd } = await eventually('a connection', () => {
    const fd = rig.native.socketAccept(listener)
    return fd >= 0 && { fd }
  })
  return app(t, rig, fd)
}

/** Moves bytes from one app to the other, however long the buffers between them are. */
export async function transfer(rig: KeeperRig, from: number, to: number, bytes: Uint8Array) {
  const got = new Uint8Array(bytes.length)
  let sent = 0
  let received = 0
  await eventually('all bytes', () => {
    if (sent < bytes.length) {
      const result = rig.native.socketSend(from, bytes.subarray(sent, sent + 1_000_000))
      if (result > 0) sent += result
      else assert.equal(result, EAGAIN)
    }
    while (received < sent) {
      const result = rig.native.socketReceive(to, got.subarray(received))
      if (result === EAGAIN) break
      assert.ok(result > 0, `recv: ${result}`)
      received += result
    }
    return received === bytes.length
  })
  assert.ok(Buffer.from(got).equals(bytes), 'bytes lost, reordered or changed')
}

export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + (index >> 8) * seed) & 255)
}

/** A client and a server in one namespace, spliced by a proxy of its own; the proxy lives. */
export async function spliced(t: TestContext, rig: KeeperRig) {
  const inside = rig.netns()
  const listener = await rig.native.netnsListen(inside.fd, 4, 8)
  defer(t, () => rig.native.closeFd(listener))
  const server = rig.native.socketLocal(listener).port
  const proxy = await rig.proxy()
  const port = await proxy.order({ do: 'splice', netns: inside.path, server })
  const kept = proxy.nextAnswer()
  const client = await connect(t, rig, inside.fd, port)
  const accepted = await accept(t, rig, listener)
  await kept
  return { proxy, client, server: accepted }
}
