import {
  HEADER_BYTES,
  HELLO_BYTES,
  KEEPER_MAGIC,
  KEEPER_PROTOCOL,
  KEEPER_VERSION,
  type KeeperStats,
  keeperStats,
  MAX_ALIVE_PATH_BYTES,
  MAX_FACTS_BYTES,
  MAX_UID_BYTES,
  PAIR_BYTES,
  PATIENCE_BYTES,
  POD_BYTES,
} from './protocol.ts'

/** A pod's listeners as the keeper has them. */
export interface KeptPod {
  readonly uid: string
  /**
   * When it no longer exists the keeper drops the pod by itself: the pod's cgroup directory. Empty:
   * never.
   */
  readonly alivePath: string
  /** The proxy's own; comes back as it is. */
  readonly facts: string
  readonly fds: readonly number[]
}

/** A spliced connection: the proxy's two legs, and the apps' sockets at their other ends. */
export interface KeptPair {
  /** Names the pair. */
  readonly clientLegCookie: bigint
  readonly serverLegCookie: bigint
  /** 0n where it is not known. */
  readonly clientAppCookie: bigint
  readonly serverAppCookie: bigint
  /** In pair_control; -1 for none. */
  readonly slotToServer: number
  readonly slotToClient: number
  readonly clientLegFd: number
  readonly serverLegFd: number
}

export interface Header {
  readonly type: number
  readonly request: number
  /** 0 or a negative errno. */
  readonly status: number
}

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

export function encodeMessage(type: number, request: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + body.length)
  const view = new DataView(message.buffer)
  view.setUint32(0, KEEPER_MAGIC, true)
  view.setUint16(4, KEEPER_PROTOCOL, true)
  view.setUint16(6, type, true)
  view.setUint32(8, request, true)
  message.set(body, HEADER_BYTES)
  return message
}

/** @throws Error when it is not a message of the keeper's */
export function decodeHeader(message: Uint8Array): Header {
  const view = viewOf(message)
  if (message.length < HEADER_BYTES || view.getUint32(0, true) !== KEEPER_MAGIC) {
    throw new Error(
      `the keeper sent ${message.length} bytes that are no message; is it another program?`,
    )
  }
  return {
    type: view.getUint16(6, true),
    request: view.getUint32(8, true),
    status: view.getInt32(12, true),
  }
}

export function bodyOf(message: Uint8Array): Uint8Array {
  return message.subarray(HEADER_BYTES)
}

export function encodeHello(generation: number): Uint8Array {
  const body = new Uint8Array(HELLO_BYTES)
  const view = new DataView(body.buffer)
  view.setUint32(0, generation, true)
  view.setUint32(4, KEEPER_VERSION, true)
  return body
}

export function decodeHelloReply(body: Uint8Array): { pid: number; version: number } {
  const view = viewOf(body)
  return { pid: view.getUint32(0, true), version: view.getUint32(4, true) }
}

/** @param removeAfterMs 0: never */
export function encodePatience(giveUpAfterMs: number, removeAfterMs: number): Uint8Array {
  const body = new Uint8Array(PATIENCE_BYTES)
  const view = new DataView(body.buffer)
  view.setBigUint64(0, BigInt(giveUpAfterMs), true)
  view.setBigUint64(8, BigInt(removeAfterMs), true)
  return body
}

/** @throws RangeError when a part is longer than the keeper takes */
export function encodePod(pod: Omit<KeptPod, 'fds'>): Uint8Array {
  const uid = bounded('uid', pod.uid, MAX_UID_BYTES)
  const alivePath = bounded('alive path', pod.alivePath, MAX_ALIVE_PATH_BYTES)
  const facts = bounded('facts', pod.facts, MAX_FACTS_BYTES)
  const body = new Uint8Array(POD_BYTES + uid.length + alivePath.length + facts.length)
  const view = new DataView(body.buffer)
  view.setUint16(0, uid.length, true)
  view.setUint16(2, alivePath.length, true)
  view.setUint32(4, facts.length, true)
  body.set(uid, POD_BYTES)
  body.set(alivePath, POD_BYTES + uid.length)
  body.set(facts, POD_BYTES + uid.length + alivePath.length)
  return body
}

export function decodePod(body: Uint8Array, fds: readonly number[]): KeptPod {
  const view = viewOf(body)
  const uidEnd = POD_BYTES + view.getUint16(0, true)
  const pathEnd = uidEnd + view.getUint16(2, true)
  const factsEnd = pathEnd + view.getUint32(4, true)
  return {
    uid: decoder.decode(body.subarray(POD_BYTES, uidEnd)),
    alivePath: decoder.decode(body.subarray(uidEnd, pathEnd)),
    facts: decoder.decode(body.subarray(pathEnd, factsEnd)),
    fds,
  }
}

export function encodePair(pair: KeptPair): Uint8Array {
  const body = new Uint8Array(PAIR_BYTES)
  const view = new DataView(body.buffer)
  view.setBigUint64(0, pair.clientLegCookie, true)
  view.setBigUint64(8, pair.serverLegCookie, true)
  view.setBigUint64(16, pair.clientAppCookie, true)
  view.setBigUint64(24, pair.serverAppCookie, true)
  view.setInt32(32, pair.slotToServer, true)
  view.setInt32(36, pair.slotToClient, true)
  return body
}

export function encodeCookies(cookies: readonly bigint[]): Uint8Array {
  const body = new Uint8Array(8 * cookies.length)
  const view = new DataView(body.buffer)
  for (const [index, cookie] of cookies.entries()) view.setBigUint64(index * 8, cookie, true)
  return body
}

export function decodeStats(body: Uint8Array): KeeperStats {
  const view = viewOf(body)
  const values = keeperStats.map((name, index) => [
    name,
    Number(view.getBigUint64(index * 8, true)),
  ])
  return Object.fromEntries(values) as KeeperStats
}

export function decodeSlots(body: Uint8Array): readonly number[] {
  const view = viewOf(body)
  return Array.from({ length: body.length / 4 }, (_, index) => view.getInt32(index * 4, true))
}

function bounded(what: string, text: string, maxBytes: number): Uint8Array {
  const bytes = encoder.encode(text)
  if (bytes.length <= maxBytes) return bytes
  throw new RangeError(
    `a pod's ${what} has ${bytes.length} bytes, the keeper takes ${maxBytes}: ` +
      `${text.slice(0, 80)}…`,
  )
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
