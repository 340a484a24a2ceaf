import type { ServerDuplexStream, status } from '@grpc/grpc-js'

/** A stream of a node. */
export type GrpcCall = ServerDuplexStream<Buffer, Uint8Array>

/** Node's timers end at 2^31 ms. */
const maxTimerMs = 2 ** 31 - 1

export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, Math.min(Math.max(0, delayMs), maxTimerMs)).unref()
  return () => clearTimeout(timer)
}

/** Whatever ends a stream: the node, a lost connection, an error of ours. */
export function onEnd(call: GrpcCall, run: () => void): void {
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

/** Ends a call with a reason that the node reads. */
export function endCall(call: GrpcCall, code: status, details: string): void {
  call.emit('error', { code, details, name: 'Error', message: details })
}

export function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
