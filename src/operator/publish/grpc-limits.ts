import type { Rate } from './rate-limit.ts'

/** What the transport bears of nodes, so that a faulty one costs no other. */
export interface GrpcLimits {
  /** Of one message of a node: its first one names all that it holds. */
  readonly messageBytes: number
  /** Streams that a node opens: a node that fails at once comes back with back-off. */
  readonly streams: Rate
  /** Messages on one stream; what comes faster is read later. */
  readonly messages: Rate
  /** Streams whose token is being looked at; more are told to come back. */
  readonly authenticating: number
  /** On one connection. */
  readonly concurrentStreams: number
}

export const defaultGrpcLimits: GrpcLimits = {
  messageBytes: 8 * 1_048_576,
  streams: { burst: 20, perSecond: 1 },
  messages: { burst: 2_000, perSecond: 500 },
  authenticating: 256,
  concurrentStreams: 8,
}
