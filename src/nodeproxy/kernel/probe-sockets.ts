import { getSystemErrorName } from 'node:util'
import type { Native } from '../native.ts'
import { u32Bytes, u64Bytes } from './layout.ts'

/** What ioctl(FIONREAD) says of bytes that came by TCP. */
export interface Unread {
  /** Bytes that wait in a socket of the sockhash. */
  readonly waiting: number
  /** What its program is told. */
  readonly reported: number
}

/** What is charged to a socket into which bytes were redirected. */
export interface Charge {
  /** Bytes that wait in it. */
  readonly waiting: number
  readonly charged: number
}

/** Both ends of a connection on loopback. */
interface Ends {
  readonly client: number
  readonly server: number
}

const address = '127.0.0.1'
const early = new Uint8Array(5)
const late = new Uint8Array(7)
const patienceMs = 10_000
const EAGAIN = 11
const EINPROGRESS = 115

/**
 * Puts both ends of a TCP connection into the sockhash, while bytes wait and before more are sent,
 * and asks FIONREAD. Newer kernels count redirected bytes alone there, by which programs that trust
 * the answer (nginx from 1.17.5 on) stop reading.
 *
 * @param sockhash keys are 8 bytes; its verdict program must not redirect these sockets
 * @param netnsFd a namespace whose loopback is up
 * @throws Error when the question could not be asked
 */
export function askFionread(native: Native, sockhash: number, netnsFd: number): Unread {
  using opened = new DisposableStack()
  const own = (what: string, fd: number): number => {
    opened.defer(() => native.closeFd(done(what, fd)))
    return fd
  }
  const { client, server } = connectPair(native, netnsFd, own)
  send(native, client, early)
  // Not in the sockhash yet: what is said here is the truth, and says that the bytes have arrived.
  patiently('bytes to arrive', () => native.socketUnread(server) === early.length || undefined)
  for (const fd of [client, server]) {
    enter(native, sockhash, native.socketCookie(fd), fd)
  }
  const first = native.socketUnread(server)
  if (first !== early.length) return { waiting: early.length, reported: first }
  send(native, client, late)
  const waiting = early.length + late.length
  const deadline = performance.now() + patienceMs
  let reported = first
  while (reported !== waiting && performance.now() < deadline) {
    reported = native.socketUnread(server)
    if (reported !== waiting) rest()
  }
  return { waiting, reported }
}

/**
 * Puts both ends of a TCP connection into the sockhash, the receiver under key 0, sends, and asks
 * what the receiver is charged. Where that is less than what waits, nothing would bound the queue
 * of a slow reader.
 *
 * @param sockhash its verdict program redirects to key 0
 * @throws Error when the question could not be asked
 */
export function askCharge(native: Native, sockhash: number, netnsFd: number): Charge {
  using opened = new DisposableStack()
  const own = (what: string, fd: number): number => {
    opened.defer(() => native.closeFd(done(what, fd)))
    return fd
  }
  const { client, server } = connectPair(native, netnsFd, own)
  enter(native, sockhash, native.socketCookie(client), client)
  enter(native, sockhash, 0n, server)
  send(native, client, late)
  // A redirected byte waits where it is to be when send(2) returns.
  const charged = done('getsockopt(SO_MEMINFO)', native.socketCharged(server))
  return { waiting: late.length, charged }
}

function connectPair(
  native: Native,
  netnsFd: number,
  own: (what: string, fd: number) => number,
): Ends {
  const listener = own('socket(2)', native.socketOpen(netnsFd, 4, 0))
  done('bind(2)', native.socketBind(listener, address, 0))
  done('listen(2)', native.socketListen(listener, 1))
  const client = own('socket(2)', native.socketOpen(netnsFd, 4, 0))
  const result = native.socketConnect(client, address, native.socketLocal(listener).port)
  if (result !== -EINPROGRESS) done('connect(2)', result)
  const server = patiently('accept(2)', () => {
    const accepted = native.socketAccept(listener)
    return accepted === -EAGAIN ? undefined : accepted
  })
  return { client, server: own('accept(2)', server) }
}

function enter(native: Native, sockhash: number, key: bigint, fd: number): void {
  const result = native.bpfMapUpdate(sockhash, u64Bytes(key), fdValue(fd), 0)
  done('put a socket into a sockhash', result)
}

/** A machine that is short of memory for sockets says EAGAIN, and nothing of what it counts. */
function send(native: Native, fd: number, bytes: Uint8Array): void {
  const result = patiently('send(2) to find memory', () => {
    const taken = native.socketSend(fd, bytes)
    return taken === -EAGAIN ? undefined : taken
  })
  const sent = done('send(2)', result)
  if (sent !== bytes.length) throw new Error(`send(2) took ${sent} of ${bytes.length} bytes`)
}

/** Sockhash values are 8 bytes here: the descriptor, and nothing. */
function fdValue(fd: number): Uint8Array {
  const value = new Uint8Array(8)
  value.set(u32Bytes(fd))
  return value
}

function done(what: string, result: number): number {
  if (result < 0) throw new Error(`${what}: ${getSystemErrorName(result)}`)
  return result
}

/** The proxy's start is one step after another: there is nothing else to do meanwhile. */
function patiently<T>(what: string, attempt: () => T | undefined): T {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const value = attempt()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`waited ${patienceMs} ms in vain: ${what}`)
    rest()
  }
}

function rest(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
}
