import type { Delta } from '../../model/source.ts'
import { decodeRequest, type DeltaRequest } from '../../model/wire/request-message.ts'
import { versionOf } from '../../model/wire/resource-message.ts'
import { encodeResponse } from '../../model/wire/response-message.ts'
import type { NodeStream } from './grpc-door.ts'
import type { Publisher } from './publisher.ts'
import type { NodeSession } from './session.ts'

/** Hears what nodes are sent and how they answer: for metrics. */
export interface StreamObserver {
  /** @param bytes of the message, as it is before TLS */
  sent(node: string, delta: Delta, bytes: number): void
  /** @param taken false: the node rejected the delta */
  answered(node: string, nonce: string, taken: boolean): void
}

/**
 * A node's stream as messages of delta xDS, whatever carries them. A message that is no request, or
 * not one for now, ends it.
 *
 * @param node who it is, proven; what it says of itself must agree
 * @param send one message
 */
export function createRequestStream(
  publisher: Publisher,
  node: string,
  send: (bytes: Uint8Array) => void,
  observer?: StreamObserver,
): NodeStream {
  let session: NodeSession | undefined

  function begin({ node: said, subscribe = [], versions = new Map() }: DeltaRequest): NodeSession {
    if (said !== undefined && said !== node) {
      throw new Error(
        `the token is of node ${node}, and the request says ${said}: give --node that`,
      )
    }
    const sendDelta = (delta: Delta) => {
      const bytes = encodeResponse(delta)
      observer?.sent(node, delta, bytes.length)
      send(bytes)
    }
    // Who holds nothing is as one that says nothing: the first delta is the whole.
    const claims = versions.size === 0 ? undefined : { versions, versionOf }
    return publisher.connect(node, subscribe, sendDelta, claims)
  }

  function goOn(open: NodeSession, request: DeltaRequest): void {
    const { nonce, error, subscribe = [], unsubscribe = [] } = request
    // Before the answer: what is sent next is planned with them.
    if (unsubscribe.length > 0) open.unsubscribe(unsubscribe)
    if (subscribe.length > 0) open.subscribe(subscribe)
    if (nonce === undefined) return
    observer?.answered(node, nonce, error === undefined)
    if (error === undefined) open.ack(nonce)
    else open.nack(nonce, error.message, error.rejected)
  }

  return {
    onMessage(bytes) {
      const decoded = decodeRequest(bytes)
      if (!decoded.ok) throw new Error(decoded.error)
      if (session === undefined) session = begin(decoded.value)
      else goOn(session, decoded.value)
    },
    close: () => session?.close(),
  }
}
