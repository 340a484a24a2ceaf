import { connect } from 'node:net'
import { createLineSplitter } from '../../model/codec/lines.ts'

/** A connection that carries lines. */
export interface LineSocket {
  write(line: string): void
  close(): void
}

export interface LineSocketHandlers {
  onOpen(): void
  /** May throw: the connection ends then, with the error as the reason. */
  onLine(line: string): void
  /** Once; also when it could never be opened, but not after close(). */
  onEnd(reason: string): void
}

/** Connects to a Unix socket. @param maxLineBytes a longer line ends the connection */
export function openLineSocket(
  path: string,
  maxLineBytes: number,
  handlers: LineSocketHandlers,
): LineSocket {
  const socket = connect(path)
  const lines = createLineSplitter(maxLineBytes)
  let reason = 'the other side closed the connection'
  let closed = false
  socket.on('connect', () => handlers.onOpen())
  socket.on('data', (chunk) => {
    try {
      for (const line of lines.push(chunk)) if (!socket.destroyed) handlers.onLine(line)
    } catch (error) {
      socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  })
  socket.on('error', (error) => {
    reason = error.message
  })
  socket.on('close', () => {
    if (!closed) handlers.onEnd(`socket ${path}: ${reason}`)
  })
  return {
    write: (line) => void socket.write(`${line}\n`),
    close() {
      closed = true
      socket.destroy()
    },
  }
}
