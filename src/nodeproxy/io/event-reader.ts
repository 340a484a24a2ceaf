import {
  blank,
  decodeAccept,
  decodeConnected,
  decodeConnectFailed,
  decodeDone,
  decodeListener,
  decodeNetnsFailed,
  decodePaired,
} from './decode.ts'
import type { EventHandlers } from './events.ts'
import { blankHttp, decodeAttemptFailed, decodeRequest, decodeStreamDone } from './http-events.ts'
import { Event, RING_HEADER_WORDS } from './protocol.ts'
import { type Ring, RingHeader } from './ring.ts'

/**
 * Reads everything that stands in the event ring and calls the handlers. A record leaves the ring
 * before its handler runs, so a handler that throws is not called again with the same event: its
 * error goes to the caller, and the rest stays for the next call.
 * @throws Error for a record of an unknown type: addon and TypeScript are of different versions
 */
export function createEventReader(ring: Ring, handlers: EventHandlers): () => void {
  const { words, capacityWords } = ring
  const dispatch = createDispatch(words, handlers)
  return function readEvents() {
    for (;;) {
      const head = words[RingHeader.head] ?? 0
      if (head === words[RingHeader.tail]) return
      const start = RING_HEADER_WORDS + (head & (capacityWords - 1))
      const first = words[start] ?? 0
      // Decoding comes before anything that could make the reactor write here again.
      words[RingHeader.head] = (head + (first >>> 8)) | 0
      dispatch(first & 0xff, start + 1)
    }
  }
}

type Dispatch = (type: number, at: number) => void

function createDispatch(words: Int32Array, handlers: EventHandlers): Dispatch {
  const accept = blank.accept()
  const connected = blank.connected()
  const done = blank.done()
  const request = blankHttp.request()
  const streamDone = blankHttp.streamDone()
  const dispatchRare = createRareDispatch(words, handlers)
  return function dispatch(type, at) {
    switch (type) {
      case Event.pad:
        return
      case Event.accept:
        decodeAccept(words, at, accept)
        handlers.onAccept(accept)
        return
      case Event.connected:
        decodeConnected(words, at, connected)
        handlers.onConnected(connected)
        return
      case Event.done:
        decodeDone(words, at, done)
        handlers.onDone(done)
        return
      case Event.request:
        decodeRequest(words, at, request)
        handlers.onRequest?.(request)
        return
      case Event.streamDone:
        decodeStreamDone(words, at, streamDone)
        handlers.onStreamDone?.(streamDone)
        return
      default:
        dispatchRare(type, at)
    }
  }
}

function createRareDispatch(words: Int32Array, handlers: EventHandlers): Dispatch {
  const connectFailed = blank.connectFailed()
  const listener = blank.listener()
  const paired = blank.paired()
  const netnsFailed = blank.netnsFailed()
  const attemptFailed = blankHttp.attemptFailed()
  return function dispatchRare(type, at) {
    switch (type) {
      case Event.connectFailed:
        decodeConnectFailed(words, at, connectFailed)
        handlers.onConnectFailed(connectFailed)
        return
      case Event.timer:
        handlers.onTimer(words[at] ?? 0)
        return
      case Event.listenerPaused:
        decodeListener(words, at, listener)
        handlers.onListener(listener)
        return
      case Event.paired:
        decodePaired(words, at, paired)
        handlers.onPaired(paired)
        return
      case Event.netnsFailed:
        decodeNetnsFailed(words, at, netnsFailed)
        handlers.onNetnsFailed(netnsFailed)
        return
      case Event.reset:
        decodeAttemptFailed(words, at, attemptFailed)
        handlers.onAttemptFailed?.(attemptFailed)
        return
      case Event.responseHead:
        handlers.onResponseHead?.({ stream: words[at] ?? 0, status: words[at + 1] ?? 0 })
        return
      case Event.rejected:
        handlers.onRejected?.({
          conn: words[at] ?? 0,
          error: words[at + 1] ?? 0,
          status: words[at + 2] ?? 0,
        })
        return
      case Event.opaque:
        handlers.onOpaque?.(words[at] ?? 0)
        return
      default:
        throw new Error(
          `event ring: record of type ${type}, which this version ` +
            'does not know: rebuild the addon (npm run build)',
        )
    }
  }
}
