import { Metadata, type ServerDuplexStream, status } from '@grpc/grpc-js'
import type { GrpcLimits } from './grpc-limits.ts'
import { createPulledStream } from './grpc-stream.ts'
import type { Publisher } from './publisher.ts'
import { createRateLimits } from './rate-limit.ts'
import { createRequestStream } from './request-stream.ts'

/** Who a node is, by what it showed. */
export interface NodeIdentity {
  readonly node: string
  /** When what it showed ends, on the clock of Date.now(); the stream ends then too. */
  readonly expiresAtMs: number
}

/** Why somebody is not let in, in words for him. `later`: the fault is not his. */
export interface IdentityRefusal {
  readonly error: string
  readonly later: boolean
}

export type Authenticate = (token: string) => Promise<NodeIdentity | IdentityRefusal>

export interface GrpcDoorOptions {
  readonly publisher: Publisher
  readonly authenticate: Authenticate
  readonly limits: GrpcLimits
  /** Somebody was refused, or a stream ended by a fault. */
  readonly onRefused?: (node: string, reason: string) => void
}

export interface GrpcDoor {
  readonly streams: number
  readonly refused: number
  open(call: GrpcCall): void
  close(reason: string): void
}

export type GrpcCall = ServerDuplexStream<Buffer, Uint8Array>

/** Lets streams in: who it is comes before anything that he says. */
export function createGrpcDoor(options: GrpcDoorOptions): GrpcDoor {
  const { publisher, limits, onRefused = () => {} } = options
  const admit = createAdmission(options)
  const streams = new Set<GrpcCall>()
  let refused = 0

  function refuse(call: GrpcCall, node: string, code: status, reason: string): void {
    refused += 1
    onRefused(node, reason)
    end(call, code, reason)
  }

  function serve(call: GrpcCall, { node, expiresAtMs }: NodeIdentity): void {
    const fail = (error: unknown) => refuse(call, node, status.INVALID_ARGUMENT, causeOf(error))
    const stream = createRequestStream(publisher, node, (bytes) => void call.write(bytes))
    const stopExpiry = after(expiresAtMs - Date.now(), () =>
      end(call, status.UNAUTHENTICATED, 'the token has expired: come back with its successor'),
    )
    const stopReading = createPulledStream(call, limits.messages, (bytes) => {
      try {
        stream.onRequest(bytes)
      } catch (error) {
        stream.close()
        fail(error)
      }
    })
    onEnd(call, () => {
      stopExpiry()
      stopReading()
      stream.close()
    })
    // So that the node knows at once that it was let in.
    call.sendMetadata(new Metadata())
  }

  return {
    get streams() {
      return streams.size
    },
    get refused() {
      return refused
    },
    open(call) {
      streams.add(call)
      onEnd(call, () => void streams.delete(call))
      const enter = async () => {
        const who = await admit(call.metadata)
        if ('code' in who) refuse(call, who.node, who.code, who.reason)
        else if (!call.cancelled) serve(call, who)
      }
      enter().catch((error: unknown) => refuse(call, '', status.INTERNAL, causeOf(error)))
    },
    close(reason) {
      for (const call of streams) end(call, status.UNAVAILABLE, reason)
    },
  }
}

interface Refused {
  readonly node: string
  readonly code: status
  readonly reason: string
}

/** Who opens a stream, or why it is not served. */
function createAdmission({ authenticate, limits }: GrpcDoorOptions) {
  const rates = createRateLimits(limits.streams)
  let authenticating = 0

  return async (metadata: Metadata): Promise<NodeIdentity | Refused> => {
    const token = bearerToken(metadata)
    if (token === undefined) {
      const reason = 'no token: send `authorization: Bearer <token>`'
      return { node: '', code: status.UNAUTHENTICATED, reason }
    }
    if (authenticating >= limits.authenticating) {
      const reason = 'many nodes come at once: come back later'
      return { node: '', code: status.RESOURCE_EXHAUSTED, reason }
    }
    authenticating += 1
    const who = await authenticate(token).finally(() => void (authenticating -= 1))
    if (!('node' in who)) {
      const code = who.later ? status.UNAVAILABLE : status.UNAUTHENTICATED
      return { node: '', code, reason: who.error }
    }
    const waitMs = rates.take(who.node, performance.now())
    if (waitMs === 0) return who
    const reason = `node ${who.node} opens too many streams: come back in ${waitMs} ms`
    return { node: who.node, code: status.RESOURCE_EXHAUSTED, reason }
  }
}

/** Node's timers end at 2^31 ms. */
const maxTimerMs = 2 ** 31 - 1

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(Math.max(0, delayMs), maxTimerMs)).unref()
  return () => clearTimeout(timer)
}

/** Whatever ends a stream: the node, a lost connection, an error of ours. */
function onEnd(call: GrpcCall, run: () => void): void {
  let ended = false
  const once = () => {
    if (ended) return
    ended = true
    run()
  }
  call.on('cancelled', once)
  call.on('close', once)
  call.on('end', () => {
    once()
    call.end()
  })
  // What is told to the node is told by end(); its own going away is no fault.
  call.on('error', once)
}

function end(call: GrpcCall, code: status, details: string): void {
  call.emit('error', { code, details, name: 'Error', message: details })
}

function bearerToken(metadata: Metadata): string | undefined {
  const [value] = metadata.get('authorization')
  return typeof value === 'string'
    ? /^Bearer (?<token>\S+)$/u.exec(value)?.groups?.['token']
    : undefined
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
