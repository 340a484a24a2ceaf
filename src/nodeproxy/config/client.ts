import { encodeClientMessage } from '../../model/codec/client-codec.ts'
import type { ClientMessage } from '../../model/codec/messages.ts'
import { decodeServerMessage } from '../../model/codec/server-codec.ts'
import type { ConfigListener, ConfigSource, ConfigStream } from '../../model/source.ts'
import { createBackOff } from '../../model/back-off.ts'
import type { Clock } from './interfaces.ts'
import { type LineSocket, openLineSocket } from './line-socket.ts'

export interface SocketSourceOptions {
  readonly node: string
  /** Of the Unix socket. */
  readonly path: string
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly firstRetryMs?: number
  readonly maxRetryMs?: number
  readonly maxLineBytes?: number
}

const defaultMaxLineBytes = 64 * 1_048_576

/**
 * The source over a Unix socket, one JSON message a line. It connects at once, again with back-off
 * whenever the stream ends, and subscribes each time to all that is subscribed.
 */
export function socketSource(options: SocketSourceOptions): ConfigSource {
  return (listener) => openStream(options, listener)
}

function openStream(options: SocketSourceOptions, listener: ConfigListener): ConfigStream {
  const { node, path, clock, random, firstRetryMs = 50, maxRetryMs = 5_000 } = options
  const names = new Set<string>()
  const backOff = createBackOff({ firstMs: firstRetryMs, maxMs: maxRetryMs, random })
  let socket: LineSocket | undefined
  let connected = false
  let cancelRetry = () => {}

  function send(message: ClientMessage): void {
    if (connected) socket?.write(encodeClientMessage(message))
  }

  function open(): void {
    socket = openLineSocket(path, options.maxLineBytes ?? defaultMaxLineBytes, {
      onOpen() {
        connected = true
        send({ type: 'hello', node, subscribe: [...names] })
        listener.onConnected()
      },
      onLine(line) {
        receive(line, stream, listener)
        backOff.reset()
      },
      onEnd(reason) {
        connected = false
        cancelRetry = clock.after(backOff.nextMs(), open)
        listener.onDisconnected(reason)
      },
    })
  }

  const stream: ConfigStream = {
    subscribe(more) {
      for (const name of more) names.add(name)
      send({ type: 'subscribe', names: more })
    },
    unsubscribe(less) {
      for (const name of less) names.delete(name)
      send({ type: 'unsubscribe', names: less })
    },
    ack: (nonce) => send({ type: 'ack', nonce }),
    nack: (nonce, error, rejected = []) => send({ type: 'nack', nonce, error, rejected }),
    close() {
      cancelRetry()
      socket?.close()
    },
  }
  open()
  return stream
}

/**
 * A delta that cannot be read is rejected here. @throws Error on what is no delta: the stream must
 * end, as the two sides do not understand each other
 */
function receive(line: string, stream: ConfigStream, listener: ConfigListener): void {
  const decoded = decodeServerMessage(line)
  if (decoded.ok) {
    const { message } = decoded
    if (message.type === 'error') throw new Error(`the source refused: ${message.error}`)
    listener.onDelta(message.delta)
    return
  }
  if (decoded.nonce === '') throw new Error(decoded.error)
  listener.onRejected?.(decoded.error)
  stream.nack(decoded.nonce, decoded.error, decoded.rejected)
}
