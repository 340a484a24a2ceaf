import type { Begin } from './command-writer.ts'
import { Command } from './protocol.ts'
import { type Ring, usedWords } from './ring.ts'

export interface HttpOptions {
  /** From a head's first byte to its last; 0: none. */
  readonly headTimeoutMs: number
  /** Between two requests of a connection; 0: none. */
  readonly idleMs: number
  readonly mostHeadBytes: number
}

/** A destination with the connections that are kept to it. */
export interface EndpointCommand {
  readonly endpoint: number
  readonly netns: number
  /** Four words in memory order, IPv4 as v4-mapped. All zero: not bound. */
  readonly source: ArrayLike<number>
  readonly destination: ArrayLike<number>
  readonly destinationPort: number
  readonly connectTimeoutMs: number
  /** Who the server's app shall see; the port is that of the connection that opens the leg. */
  readonly client: ArrayLike<number>
  /** SLUICE_LEG_* */
  readonly legFlags: number
  readonly idleMs: number
  readonly mostIdle: number
}

export interface ForwardOptions {
  readonly attempt: number
  /** As codecs/edits.ts makes them. */
  readonly edits?: Uint8Array
  /** Of statuses that come back before they are passed on: two words, see protocol.h. */
  readonly mask?: readonly [number, number]
  /** 0: none. */
  readonly timeoutMs: number
}

/** Orders about requests. An order for a request that is over is ignored. */
export interface HttpCommandWriter {
  /** This connection speaks HTTP/1.1; instead of connect(). */
  http(conn: number, options: HttpOptions): void
  endpoint(command: EndpointCommand): void
  endpointRemove(endpoint: number): void
  forward(stream: number, endpoint: number, options: ForwardOptions): void
  /** @param fields whole lines, each with its CRLF */
  respond(stream: number, status: number, fields: string, body: string, close: boolean): void
  /** Passes on a response that waits. */
  resume(stream: number): void
  resetStream(stream: number): void
}

export function createHttpCommandWriter(
  ring: Ring,
  begin: Begin,
  slab: ArrayBuffer,
  flush: () => void,
): HttpCommandWriter {
  const { words } = ring
  const place = createPlace(ring, slab, flush)
  return {
    http(conn, { headTimeoutMs, idleMs, mostHeadBytes }) {
      const at = begin(Command.http, 5)
      words[at] = conn
      words[at + 1] = 0
      words[at + 2] = headTimeoutMs
      words[at + 3] = idleMs
      words[at + 4] = mostHeadBytes
    },
    endpoint: (command) => putEndpoint(words, begin(Command.endpoint, 20), command),
    endpointRemove(endpoint) {
      words[begin(Command.endpointRemove, 1)] = endpoint
    },
    forward(stream, endpoint, { attempt, edits, mask, timeoutMs }) {
      const offset = edits === undefined ? 0 : place(edits)
      const at = begin(Command.forward, 9)
      words[at] = stream
      words[at + 1] = endpoint
      words[at + 2] = attempt
      words[at + 3] = 0
      words[at + 4] = offset
      words[at + 5] = edits?.length ?? 0
      words[at + 6] = mask?.[0] ?? 0
      words[at + 7] = mask?.[1] ?? 0
      words[at + 8] = timeoutMs
    },
    respond(stream, status, fields, body, close) {
      const text = Buffer.from(fields, 'latin1')
      const bytes = Buffer.from(body)
      // In one piece: a second one could need room that the first has taken.
      const offset = place(Buffer.concat([text, bytes]))
      const at = begin(Command.respond, 7)
      words[at] = stream
      words[at + 1] = status
      words[at + 2] = offset
      words[at + 3] = text.length
      words[at + 4] = offset + text.length
      words[at + 5] = bytes.length
      words[at + 6] = close ? 1 : 0
    },
    resume(stream) {
      const at = begin(Command.resume, 2)
      words[at] = stream
      words[at + 1] = 1
    },
    resetStream(stream) {
      const at = begin(Command.reset, 2)
      words[at] = stream
      words[at + 1] = 0
    },
  }
}

function putEndpoint(words: Int32Array, at: number, command: EndpointCommand): void {
  words[at] = command.endpoint
  words[at + 1] = command.netns
  words[at + 2] = 0
  putAddress(words, at + 3, command.source)
  putAddress(words, at + 7, command.destination)
  words[at + 11] = command.destinationPort
  words[at + 12] = command.connectTimeoutMs
  putAddress(words, at + 13, command.client)
  words[at + 17] = command.legFlags
  words[at + 18] = command.idleMs
  words[at + 19] = command.mostIdle
}

function putAddress(words: Int32Array, at: number, address: ArrayLike<number>): void {
  for (let index = 0; index < 4; index += 1) words[at + index] = address[index] ?? 0
}

/** Puts bytes into TypeScript's half of the slab. They lie there until the ring has been read. */
function createPlace(
  ring: Ring,
  slab: ArrayBuffer,
  flush: () => void,
): (bytes: Uint8Array) => number {
  const half = slab.byteLength / 2
  const memory = new Uint8Array(slab)
  let next = half
  return function place(bytes) {
    if (usedWords(ring.words) === 0) next = half
    if (next + bytes.length > memory.length) {
      flush()
      next = half
    }
    if (bytes.length > half) throw new RangeError(`${bytes.length} bytes for a head or an answer`)
    memory.set(bytes, next)
    const at = next
    next += bytes.length
    return at
  }
}
