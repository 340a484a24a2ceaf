import type {
  AcceptEvent,
  AddressWords,
  ConnectedEvent,
  ConnectFailedEvent,
  DoneEvent,
  ListenerEvent,
  NetnsFailedEvent,
  PairedEvent,
} from './events.ts'

const twoTo32 = 2 ** 32

function word(words: Int32Array, at: number): number {
  return words[at] ?? 0
}

/** Two words, low first, as a number. */
function wide(words: Int32Array, at: number): number {
  return (word(words, at) >>> 0) + (word(words, at + 1) >>> 0) * twoTo32
}

function copyAddress(words: Int32Array, at: number, to: AddressWords): void {
  for (let index = 0; index < 4; index += 1) to[index] = word(words, at + index)
}

/** The decoders read a payload that starts at `at` into an object that its caller reuses. */
export const blank = {
  accept: (): AcceptEvent => ({
    conn: 0,
    listener: 0,
    flags: 0,
    originFlags: 0,
    pod: 0,
    peer: new Int32Array(4),
    peerPort: 0,
    local: new Int32Array(4),
    localPort: 0,
    origin: new Int32Array(4),
    originPort: 0,
    clientCookie: 0,
    legCookie: 0,
  }),
  connected: (): ConnectedEvent => ({
    conn: 0,
    attempt: 0,
    connectUs: 0,
    localPort: 0,
    legCookie: 0,
  }),
  connectFailed: (): ConnectFailedEvent => ({ conn: 0, attempt: 0, errno: 0, connectUs: 0 }),
  done: (): DoneEvent => ({
    conn: 0,
    reason: 0,
    errno: 0,
    receivedBytes: 0,
    sentBytes: 0,
    durationUs: 0,
    directToServerBytes: 0,
    directToClientBytes: 0,
    firstByteUs: 0,
  }),
  listener: (): ListenerEvent => ({ listener: 0, reason: 0, refused: 0, errno: 0 }),
  paired: (): PairedEvent => ({ conn: 0, clientSlot: 0, serverSlot: 0, errno: 0 }),
  netnsFailed: (): NetnsFailedEvent => ({ netns: 0, family: 0, errno: 0 }),
}

export function decodeAccept(words: Int32Array, at: number, into: AcceptEvent): void {
  into.conn = word(words, at)
  into.listener = word(words, at + 1)
  into.flags = word(words, at + 2)
  into.originFlags = word(words, at + 3)
  into.pod = word(words, at + 4)
  copyAddress(words, at + 5, into.peer)
  into.peerPort = word(words, at + 9)
  copyAddress(words, at + 10, into.local)
  into.localPort = word(words, at + 14)
  copyAddress(words, at + 15, into.origin)
  into.originPort = word(words, at + 19)
  into.clientCookie = wide(words, at + 20)
  into.legCookie = wide(words, at + 22)
}

export function decodeConnected(words: Int32Array, at: number, into: ConnectedEvent): void {
  into.conn = word(words, at)
  into.attempt = word(words, at + 1)
  into.connectUs = word(words, at + 2) >>> 0
  into.localPort = word(words, at + 3)
  into.legCookie = wide(words, at + 4)
}

export function decodeConnectFailed(words: Int32Array, at: number, into: ConnectFailedEvent): void {
  into.conn = word(words, at)
  into.attempt = word(words, at + 1)
  into.errno = word(words, at + 2)
  into.connectUs = word(words, at + 3) >>> 0
}

export function decodeDone(words: Int32Array, at: number, into: DoneEvent): void {
  into.conn = word(words, at)
  into.reason = word(words, at + 1)
  into.errno = word(words, at + 2)
  into.receivedBytes = wide(words, at + 3)
  into.sentBytes = wide(words, at + 5)
  into.durationUs = wide(words, at + 7)
  into.directToServerBytes = wide(words, at + 9)
  into.directToClientBytes = wide(words, at + 11)
  into.firstByteUs = word(words, at + 13)
}

export function decodeListener(words: Int32Array, at: number, into: ListenerEvent): void {
  into.listener = word(words, at)
  into.reason = word(words, at + 1)
  into.refused = word(words, at + 2) >>> 0
  into.errno = word(words, at + 3)
}

export function decodePaired(words: Int32Array, at: number, into: PairedEvent): void {
  into.conn = word(words, at)
  into.clientSlot = word(words, at + 1)
  into.serverSlot = word(words, at + 2)
  into.errno = word(words, at + 3)
}

export function decodeNetnsFailed(words: Int32Array, at: number, into: NetnsFailedEvent): void {
  into.netns = word(words, at) >>> 0
  into.family = word(words, at + 1)
  into.errno = word(words, at + 2)
}
