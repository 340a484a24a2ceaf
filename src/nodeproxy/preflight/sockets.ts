import { getSystemErrorName } from 'node:util'
import type { Native } from '../native.ts'

/** A TCP connection inside the scratch namespace. */
export interface Pair {
  readonly client: number
  readonly server: number
  readonly clientPort: number
  readonly serverPort: number
}

const IPPROTO_TCP_DEFAULT = 0
const EINPROGRESS = 115
const EAGAIN = 11
/** On an emulated machine everything takes tens of times longer. */
const PATIENCE_MS = 5_000
const BACKLOG = 16

/** Waits for a condition on real sockets; throws with `what` when it does not come. */
export async function until<T>(what: string, attempt: () => T | undefined): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS
  for (;;) {
    const value = attempt()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`${what}: nothing within ${PATIENCE_MS} ms`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** Sockets of one namespace; everything made by it is closed with it. */
export interface SocketBench extends Disposable {
  /**
   * Listens on a port that the kernel chooses: a probe before may have left the last one in
   * TIME_WAIT.
   */
  listen(address: string): { fd: number; port: number }
  /** Begins to connect; throws when connect(2) refuses at once. */
  connect(address: string, port: number, protocol?: number): number
  accept(listener: number): Promise<number>
  pair(address: string): Promise<Pair>
}

export function createSocketBench(native: Native, netnsFd: number): SocketBench {
  const stack = new DisposableStack()
  const own = (operation: string, fd: number): number => {
    if (fd < 0) throw new Error(`${operation}: ${errnoName(fd)}`)
    stack.defer(() => native.closeFd(fd))
    return fd
  }
  const open = (address: string, protocol: number): number =>
    own('socket(2)', native.socketOpen(netnsFd, address.includes(':') ? 6 : 4, protocol))

  const listen = (address: string): { fd: number; port: number } => {
    const fd = open(address, IPPROTO_TCP_DEFAULT)
    expectZero(`bind to ${address}`, native.socketBind(fd, address, 0))
    expectZero(`listen on ${address}`, native.socketListen(fd, BACKLOG))
    return { fd, port: native.socketLocal(fd).port }
  }
  const connect = (address: string, port: number, protocol = IPPROTO_TCP_DEFAULT): number => {
    const fd = open(address, protocol)
    const result = native.socketConnect(fd, address, port)
    if (result !== -EINPROGRESS) expectZero(`connect to ${address} port ${port}`, result)
    return fd
  }
  const accept = async (listener: number): Promise<number> => {
    const fd = await until('accept(2)', () => {
      const result = native.socketAccept(listener)
      return result === -EAGAIN ? undefined : result
    })
    return own('accept(2)', fd)
  }
  const pair = async (address: string): Promise<Pair> => {
    const { fd, port } = listen(address)
    const client = connect(address, port)
    const server = await accept(fd)
    return { client, server, clientPort: native.socketLocal(client).port, serverPort: port }
  }
  return { listen, connect, accept, pair, [Symbol.dispose]: () => stack.dispose() }
}

/** Receives exactly so many bytes, or throws. */
export async function receiveAll(native: Native, fd: number, bytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(bytes)
  let have = 0
  while (have < bytes) {
    const got = await until(`byte ${have + 1} of ${bytes}`, () => {
      const result = native.socketReceive(fd, all.subarray(have))
      return result === -EAGAIN ? undefined : result
    })
    if (got <= 0)
      throw new Error(
        `byte ${have + 1} of ${bytes}: ${got === 0 ? 'the connection ended' : errnoName(got)}`,
      )
    have += got
  }
  return all
}

/**
 * Sends from one socket and receives at another; throws unless every byte arrives as it was sent.
 */
export async function sendThrough(
  native: Native,
  from: number,
  to: number,
  bytes: Uint8Array,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const rest = bytes.subarray(done)
    const accepted = await until(`send(2) of ${rest.length} bytes`, () => {
      const result = native.socketSend(from, rest)
      return result === -EAGAIN ? undefined : result
    })
    if (accepted < 0) throw new Error(`send(2) of ${rest.length} bytes: ${errnoName(accepted)}`)
    const received = await receiveAll(native, to, accepted)
    const wrong = received.findIndex((byte, index) => byte !== rest[index])
    if (wrong >= 0) throw new Error(`byte ${done + wrong} of ${bytes.length} arrived changed`)
    done += accepted
  }
}

/** Bytes that differ from their neighbours near and far, so that a mix-up shows. */
export function pattern(bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => (index * 31 + (index >> 8)) & 0xff)
}

export function errnoName(result: number): string {
  return getSystemErrorName(result)
}

function expectZero(operation: string, result: number): void {
  if (result < 0) throw new Error(`${operation}: ${errnoName(result)}`)
}
