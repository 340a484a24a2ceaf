import type { ConfigListener, ConfigStream, HeldState } from '../../model/source.ts'
import { type DeltaRequest, encodeRequest } from '../../model/wire/request-message.ts'
import { decodeResponse } from '../../model/wire/response-message.ts'
import { type GrpcTarget, openGrpcCall } from './grpc-call.ts'
import { createPendingRequest } from './pending-request.ts'
import { type ReporterOptions, startReporter } from '../report/reporter.ts'

/** What a stream begins with. */
export interface DeltaCallStart {
  readonly node: string
  readonly names: readonly string[]
  readonly held: HeldState | undefined
  /** With more than that, what is held is not said: everything is sent anew. */
  readonly maxClaims: number
  /** What is reported meanwhile; undefined: nothing. */
  readonly reporter: Omit<ReporterOptions, 'open'> | undefined
}

export interface DeltaCallHandlers
  extends Pick<ConfigListener, 'onConnected' | 'onDelta' | 'onRejected'> {
  /** Once; also when it could never be opened, but not after close(). */
  onEnd(reason: string): void
}

/** One stream of delta xDS. */
export function openDeltaCall(
  target: GrpcTarget,
  start: DeltaCallStart,
  handlers: DeltaCallHandlers,
): ConfigStream {
  const { node, names: subscribe } = start
  const versions = claimsOf(start)
  const send = (request: DeltaRequest) => call.write(encodeRequest(request))
  const pending = createPendingRequest(send)
  let first = true
  let stopReporter = () => {}

  function onMessage(bytes: Uint8Array): void {
    const initial = first && versions === undefined
    first = false
    const read = decodeResponse(bytes)
    if (read.ok) {
      handlers.onDelta(initial ? { ...read.delta, initial } : read.delta)
      return
    }
    // Two sides that do not understand each other: the stream ends.
    if (read.nonce === '') throw new Error(read.error)
    handlers.onRejected?.(read.error)
    pending.answer({ nonce: read.nonce, error: { message: read.error, rejected: read.rejected } })
  }

  const call = openGrpcCall(target, {
    onOpen() {
      handlers.onConnected()
      if (start.reporter === undefined) return
      stopReporter = startReporter({
        ...start.reporter,
        open: (reportHandlers) => call.openReports(reportHandlers),
      })
    },
    onMessage,
    onEnd(reason) {
      stopReporter()
      pending.stop()
      handlers.onEnd(reason)
    },
  })
  send({ node, subscribe, ...(versions === undefined ? {} : { versions }) })
  return {
    subscribe: (names) => pending.subscribe(names),
    unsubscribe: (names) => pending.unsubscribe(names),
    ack: (nonce) => pending.answer({ nonce }),
    nack: (nonce, message, rejected = []) =>
      pending.answer({ nonce, error: { message, rejected } }),
    close() {
      stopReporter()
      pending.stop()
      call.close()
    },
  }
}

/** Undefined: too much is held, or it is not known what; the first delta is the whole then. */
function claimsOf({ held, maxClaims }: DeltaCallStart): ReadonlyMap<string, string> | undefined {
  if (held === undefined) return undefined
  const versions = new Map<string, string>(held.answered)
  for (const [name, version] of held.versions) {
    if (versions.size >= maxClaims) return undefined
    versions.set(name, version)
  }
  return versions
}
