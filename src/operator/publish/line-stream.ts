import { decodeClientMessage } from '../../model/codec/client-codec.ts'
import type { ClientMessage } from '../../model/codec/messages.ts'
import { encodeServerMessage } from '../../model/codec/server-codec.ts'
import type { Publisher } from './publisher.ts'
import type { NodeSession } from './session.ts'

/** A node's stream as lines of JSON, whatever carries them. */
export interface LineStream {
  /** @throws Error when the line is no message, or not one for now: tell it to the node, and end */
  onLine(line: string): void
  close(): void
}

/** @param send one line, without its end */
export function createLineStream(publisher: Publisher, send: (line: string) => void): LineStream {
  let session: NodeSession | undefined

  function receive(message: ClientMessage): void {
    if (message.type === 'hello') {
      if (session !== undefined) throw new Error('a second hello: open a stream of its own for it')
      session = publisher.connect(message.node, message.subscribe, (delta) =>
        send(encodeServerMessage({ type: 'delta', delta })),
      )
      return
    }
    if (session === undefined) {
      throw new Error(`'${message.type}' before hello: the first message names the node`)
    }
    switch (message.type) {
      case 'subscribe':
        session.subscribe(message.names)
        break
      case 'unsubscribe':
        session.unsubscribe(message.names)
        break
      case 'ack':
        session.ack(message.nonce)
        break
      default:
        session.nack(message.nonce, message.error, message.rejected)
    }
  }

  return {
    onLine(line) {
      const decoded = decodeClientMessage(line)
      if (!decoded.ok) throw new Error(decoded.error)
      receive(decoded.value)
    },
    close: () => session?.close(),
  }
}
