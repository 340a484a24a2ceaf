/**
 * The events of the request interface, decoded as those in events.ts: one object for each kind,
 * reused.
 */

/** Offsets are the slab's, and live until the handler returns. */
export interface RequestEvent {
  stream: number
  conn: number
  headOffset: number
  headLength: number
  methodLength: number
  targetOffset: number
  targetLength: number
  authorityOffset: number
  authorityLength: number
  /** RequestFlags */
  flags: number
  /** 0 without one. */
  contentLength: number
  tableOffset: number
  headerCount: number
}

/** A response that waits because FORWARD asked for its status. */
export interface ResponseHeadEvent {
  stream: number
  status: number
}

/** An attempt that failed before the client saw a byte of a response. It waits for an order. */
export interface AttemptFailedEvent {
  stream: number
  attempt: number
  /** AttemptReason */
  reason: number
  /** errno, or a MessageError for a bad response. */
  error: number
  durationUs: number
  /** Whether the request can be sent again, as far as its body is concerned. */
  replayable: boolean
}

/** The last event of a request. */
export interface StreamDoneEvent {
  stream: number
  /** 0: none was sent. */
  status: number
  /** StreamReason */
  reason: number
  /** errno or MessageError */
  error: number
  requestBytes: number
  responseBytes: number
  durationUs: number
  /** From the request's head to the first byte of a response; -1: none came. */
  firstByteUs: number
  endpoint: number
}

/** Something came that is no request; it was answered, and the connection ends. */
export interface RejectedEvent {
  conn: number
  /** MessageError */
  error: number
  status: number
}

export interface HttpEventHandlers {
  onRequest(event: RequestEvent): void
  onResponseHead(event: ResponseHeadEvent): void
  onAttemptFailed(event: AttemptFailedEvent): void
  onStreamDone(event: StreamDoneEvent): void
  onRejected(event: RejectedEvent): void
}

const twoTo32 = 2 ** 32

function word(words: Int32Array, at: number): number {
  return words[at] ?? 0
}

function wide(words: Int32Array, at: number): number {
  return (word(words, at) >>> 0) + (word(words, at + 1) >>> 0) * twoTo32
}

export const blankHttp = {
  request: (): RequestEvent => ({
    stream: 0,
    conn: 0,
    headOffset: 0,
    headLength: 0,
    methodLength: 0,
    targetOffset: 0,
    targetLength: 0,
    authorityOffset: 0,
    authorityLength: 0,
    flags: 0,
    contentLength: 0,
    tableOffset: 0,
    headerCount: 0,
  }),
  attemptFailed: (): AttemptFailedEvent => ({
    stream: 0,
    attempt: 0,
    reason: 0,
    error: 0,
    durationUs: 0,
    replayable: false,
  }),
  streamDone: (): StreamDoneEvent => ({
    stream: 0,
    status: 0,
    reason: 0,
    error: 0,
    requestBytes: 0,
    responseBytes: 0,
    durationUs: 0,
    firstByteUs: 0,
    endpoint: 0,
  }),
}

export function decodeRequest(words: Int32Array, at: number, into: RequestEvent): void {
  into.stream = word(words, at)
  into.conn = word(words, at + 1)
  into.headOffset = word(words, at + 2)
  into.headLength = word(words, at + 3)
  into.methodLength = word(words, at + 4)
  into.targetOffset = word(words, at + 5)
  into.targetLength = word(words, at + 6)
  into.authorityOffset = word(words, at + 7)
  into.authorityLength = word(words, at + 8)
  into.flags = word(words, at + 9)
  into.contentLength = wide(words, at + 10)
  into.tableOffset = word(words, at + 12)
  into.headerCount = word(words, at + 13)
}

export function decodeAttemptFailed(words: Int32Array, at: number, into: AttemptFailedEvent): void {
  into.stream = word(words, at)
  into.attempt = word(words, at + 1)
  into.reason = word(words, at + 2)
  into.error = word(words, at + 3)
  into.durationUs = word(words, at + 4) >>> 0
  into.replayable = word(words, at + 5) !== 0
}

export function decodeStreamDone(words: Int32Array, at: number, into: StreamDoneEvent): void {
  into.stream = word(words, at)
  into.status = word(words, at + 1)
  into.reason = word(words, at + 2)
  into.error = word(words, at + 3)
  into.requestBytes = wide(words, at + 4)
  into.responseBytes = wide(words, at + 6)
  into.durationUs = wide(words, at + 8)
  into.firstByteUs = word(words, at + 10)
  into.endpoint = word(words, at + 11)
}
