import { Metadata, status } from '@grpc/grpc-js'
import { type AdmissionOptions, createAdmission, type NodeIdentity } from './grpc-admission.ts'
import { after, causeOf, endCall, type GrpcCall, onEnd } from './grpc-call.ts'
import { createPulledStream } from './grpc-stream.ts'
import type { Rate } from './rate-limit.ts'

/** What becomes of the messages of one stream. */
export interface NodeStream {
  /** @throws Error when the stream is to end: the reason, in words for the node */
  onMessage(bytes: Uint8Array): void
  close(): void
}

export interface GrpcDoorOptions extends AdmissionOptions {
  /** On one stream; what comes faster is read later. */
  readonly messages: Rate
  /** @throws Error when the node is not to have one more */
  readonly serve: (node: string, call: GrpcCall) => NodeStream | Promise<NodeStream>
  /** Somebody was refused, or a stream ended by a fault. */
  readonly onRefused: (node: string, reason: string) => void
}

export interface GrpcDoor {
  readonly streams: number
  readonly refused: number
  open(call: GrpcCall): void
  close(reason: string): void
}

/** Lets streams in: who it is comes before anything that he says. */
export function createGrpcDoor(options: GrpcDoorOptions): GrpcDoor {
  const { messages, onRefused } = options
  const admit = createAdmission(options)
  const streams = new Set<GrpcCall>()
  let refused = 0

  function refuse(call: GrpcCall, node: string, code: status, reason: string): void {
    refused += 1
    onRefused(node, reason)
    endCall(call, code, reason)
  }

  async function serve(call: GrpcCall, { node, expiresAtMs }: NodeIdentity): Promise<void> {
    const fail = (error: unknown) => refuse(call, node, status.INVALID_ARGUMENT, causeOf(error))
    const stream = await options.serve(node, call)
    if (call.cancelled) return stream.close()
    const stopExpiry = after(expiresAtMs - Date.now(), () =>
      endCall(call, status.UNAUTHENTICATED, 'the token has expired: come back with its successor'),
    )
    const stopReading = createPulledStream(call, messages, (bytes) => {
      try {
        stream.onMessage(bytes)
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
        else if (!call.cancelled) await serve(call, who)
      }
      enter().catch((error: unknown) => refuse(call, '', status.INTERNAL, causeOf(error)))
    },
    close(reason) {
      for (const call of streams) endCall(call, status.UNAVAILABLE, reason)
    },
  }
}
