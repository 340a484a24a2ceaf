import { Command, RING_HEADER_WORDS } from './protocol.ts'
import { type Ring, RingHeader, usedWords } from './ring.ts'

export interface ListenCommand {
  readonly listener: number
  /** A listening TCP socket; the reactor keeps its own duplicate. */
  readonly fd: number
  readonly pod: number
  readonly netns: number
  /** Direction */
  readonly direction: number
  /** Limits of the pod in this reactor; 0: none. */
  readonly maxConnections: number
  readonly maxBufferedBytes: number
}

export interface ConnectCommand {
  readonly conn: number
  readonly attempt: number
  /** A namespace made known by netnsAdd: where the socket is opened. */
  readonly netns: number
  /** Four words in memory order, IPv4 as v4-mapped. All zero: not bound. */
  readonly source: ArrayLike<number>
  readonly destination: ArrayLike<number>
  readonly destinationPort: number
  readonly timeoutMs: number
  /** Who the server's app shall see. */
  readonly client: ArrayLike<number>
  readonly clientPort: number
  /** SLUICE_LEG_*; 0: nothing is told to the kernel. */
  readonly legFlags: number
}

/**
 * Orders to the reactor. They are carried out when the loop sleeps next or when the ring is full;
 * what an order leads to comes as an event. An order for a connection that has ended is ignored.
 */
export interface CommandWriter {
  listen(command: ListenCommand): void
  unlisten(listener: number): void
  /** `readySockets`: how many unconnected sockets a family are kept at most. */
  netnsAdd(netns: number, fd: number, readySockets: number): void
  netnsRemove(netns: number): void
  connect(command: ConnectCommand): void
  /** `how`: CloseHow */
  close(conn: number, how: number): void
  pair(conn: number, clientSlot: number, serverSlot: number): void
  /** Once, after `delayMs`; 0 cancels. Setting it again moves it. */
  timer(timer: number, delayMs: number): void
  /** Stops accepting everywhere. */
  drain(): void
  /** Ends the connection after that long without a byte; 0: never. */
  idleTimeout(conn: number, idleMs: number): void
}

/** @param begin of the same ring */
export function createCommandWriter(ring: Ring, begin: Begin): CommandWriter {
  const { words } = ring
  // Fixed arguments: a rest parameter would be an array a call.
  const write = (type: number, count: number, first = 0, second = 0, third = 0): void => {
    const at = begin(type, count)
    if (count > 0) words[at] = first
    if (count > 1) words[at + 1] = second
    if (count > 2) words[at + 2] = third
  }
  return {
    listen: (command) => putListen(words, begin(Command.listen, listenWords), command),
    unlisten: (listener) => write(Command.unlisten, 1, listener),
    netnsAdd: (netns, fd, readySockets) => write(Command.netnsAdd, 3, netns, fd, readySockets),
    netnsRemove: (netns) => write(Command.netnsRemove, 1, netns),
    connect: (command) => putConnect(words, begin(Command.connect, connectWords), command),
    close: (conn, how) => write(Command.close, 2, conn, how),
    pair: (conn, clientSlot, serverSlot) => write(Command.pair, 3, conn, clientSlot, serverSlot),
    timer: (timer, delayMs) => write(Command.timer, 2, timer, asInt32(Math.ceil(delayMs))),
    drain: () => write(Command.drain, 0),
    idleTimeout: (conn, idleMs) => write(Command.idleTimeout, 2, conn, asInt32(Math.ceil(idleMs))),
  }
}

const listenWords = 7

function putListen(words: Int32Array, at: number, command: ListenCommand): void {
  words[at] = command.listener
  words[at + 1] = command.fd
  words[at + 2] = command.pod
  words[at + 3] = command.netns
  words[at + 4] = command.direction
  words[at + 5] = asInt32(command.maxConnections)
  words[at + 6] = asInt32(command.maxBufferedBytes)
}

const connectWords = 20

function putConnect(words: Int32Array, at: number, command: ConnectCommand): void {
  words[at] = command.conn
  words[at + 1] = command.attempt
  words[at + 2] = command.netns
  words[at + 3] = 0
  putAddress(words, at + 4, command.source)
  putAddress(words, at + 8, command.destination)
  words[at + 12] = command.destinationPort
  words[at + 13] = asInt32(Math.ceil(command.timeoutMs))
  putAddress(words, at + 14, command.client)
  words[at + 18] = command.clientPort
  words[at + 19] = command.legFlags
}

function putAddress(words: Int32Array, at: number, address: ArrayLike<number>): void {
  for (let index = 0; index < 4; index += 1) words[at + index] = address[index] ?? 0
}

/**
 * A limit beyond the field's range is as good as its end, and must not become negative: that means
 * none.
 */
function asInt32(value: number): number {
  return Math.min(value, 0x7fffffff)
}

/** Where the payload of a new record begins. */
export type Begin = (type: number, payload: number) => number

/**
 * Reserves a record and publishes it: nobody reads before the writer is done, on the same thread.
 *
 * @param flush makes the reactor carry out what stands in the ring now
 */
export function createBegin(ring: Ring, flush: () => void): Begin {
  const { words, capacityWords } = ring
  return function begin(type, payload) {
    const length = payload + 1
    // A record does not wrap, so up to its own length again is lost to padding.
    if (capacityWords - usedWords(words) < 2 * length) {
      flush()
      if (capacityWords - usedWords(words) < 2 * length) {
        throw new Error('command ring: the reactor did not take the commands: it is closed')
      }
    }
    let tail = words[RingHeader.tail] ?? 0
    const toEnd = capacityWords - (tail & (capacityWords - 1))
    if (toEnd < length) {
      words[RING_HEADER_WORDS + (tail & (capacityWords - 1))] = Command.pad | (toEnd << 8)
      tail = (tail + toEnd) | 0
    }
    const start = RING_HEADER_WORDS + (tail & (capacityWords - 1))
    words[start] = type | (length << 8)
    words[RingHeader.tail] = (tail + length) | 0
    return start + 1
  }
}
