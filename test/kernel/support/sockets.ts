import { setImmediate } from 'node:timers/promises'
import type { Native } from '../../../src/nodeproxy/native.ts'
import type { Rig } from './rig.ts'

export const EAGAIN = -11
export const EPERM = -1
export const EINPROGRESS = -115
export const ECONNABORTED = -103
export const ECONNREFUSED = -111

// Emulated guests are twenty times slower, and the machine that emulates them may be busy.
const waitMs = 120_000

/** Waits for what other threads and the kernel do, without a fixed time. */
export async function until<T>(
  what: string,
  poll: () => T | undefined | false,
): Promise<Exclude<T, undefined | false>> {
  const deadline = performance.now() + waitMs
  for (;;) {
    const value = poll()
    if (value !== undefined && value !== false) return value as Exclude<T, undefined | false>
    if (performance.now() > deadline) throw new Error(`waited ${waitMs} ms in vain for ${what}`)
    await setImmediate()
  }
}

/** Sockets of apps and proxies; all are closed after the test. */
export interface Sockets {
  /** Non-blocking. */
  open(netnsFd: number, family: 4 | 6, protocol?: number): number
  /** The socket, and what connect(2) said. */
  connect(netnsFd: number, address: string, port: number, options?: ConnectOptions): Connected
  listen(netnsFd: number, address: string, port: number, protocol?: number): number
  accept(listenerFd: number): Promise<number>
  /** Nothing is there to be accepted. */
  nothingToAccept(listenerFd: number): boolean
  send(fd: number, bytes: Uint8Array | string): number
  /** Reads until that many bytes have come, or the stream ends. */
  read(fd: number, bytes: number): Promise<Uint8Array>
  close(fd: number): void
}

export interface ConnectOptions {
  readonly family?: 4 | 6
  readonly protocol?: number
  /** Runs on the socket before it connects. */
  readonly before?: (fd: number) => void
}

export interface Connected {
  readonly fd: number
  /** 0 or a negative errno; EINPROGRESS is success for a non-blocking socket. */
  readonly result: number
}

const anyAddress = { 4: '0.0.0.0', 6: '::' } as const

export function createSockets(rig: Rig): Sockets {
  const { native } = rig
  const open = new Set<number>()
  rig.defer(() => {
    for (const fd of open) native.closeFd(fd)
  })
  const keep = (fd: number): number => {
    if (fd >= 0) open.add(fd)
    return fd
  }
  const familyOf = (address: string): 4 | 6 => (address.includes(':') ? 6 : 4)
  const openSocket = (netnsFd: number, family: 4 | 6, protocol = 0): number =>
    keep(native.socketOpen(netnsFd, family, protocol))
  return {
    open: openSocket,
    connect: (netnsFd, address, port, options = {}) => {
      const fd = openSocket(netnsFd, options.family ?? familyOf(address), options.protocol)
      options.before?.(fd)
      return { fd, result: native.socketConnect(fd, address, port) }
    },
    listen: (netnsFd, address, port, protocol) => {
      const fd = openSocket(netnsFd, familyOf(address), protocol)
      succeeded('bind', native.socketBind(fd, address === '' ? anyAddress[4] : address, port))
      succeeded('listen', native.socketListen(fd, 512))
      return fd
    },
    accept: (listenerFd) =>
      until('a connection', () => {
        const fd = keep(native.socketAccept(listenerFd))
        return fd >= 0 ? fd : undefined
      }),
    nothingToAccept: (listenerFd) => native.socketAccept(listenerFd) === EAGAIN,
    send: (fd, bytes) => native.socketSend(fd, Buffer.from(bytes)),
    read: (fd, bytes) => readBytes(native, fd, bytes),
    close: (fd) => {
      open.delete(fd)
      native.closeFd(fd)
    },
  }
}

async function readBytes(native: Native, fd: number, bytes: number): Promise<Uint8Array> {
  const all = new Uint8Array(bytes)
  let have = 0
  await until(`${bytes} bytes`, () => {
    const result = native.socketReceive(fd, all.subarray(have))
    if (result === 0) return true
    if (result > 0) have += result
    else if (result !== EAGAIN) throw new Error(`recv failed: errno ${-result}`)
    return have === bytes
  })
  return all.subarray(0, have)
}

function succeeded(what: string, result: number): void {
  if (result < 0) throw new Error(`${what} failed: errno ${-result}`)
}
