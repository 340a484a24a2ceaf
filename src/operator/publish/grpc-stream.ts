import type { GrpcCall } from './grpc-call.ts'
import { createRateLimit, type Rate } from './rate-limit.ts'

/**
 * Reads a node's messages no faster than the rate: while it waits nothing is read, and HTTP/2's own
 * window stops the node. @returns what stops it
 */
export function createPulledStream(
  call: GrpcCall,
  rate: Rate,
  onMessage: (bytes: Uint8Array) => void,
): () => void {
  const limit = createRateLimit(rate)
  let timer: NodeJS.Timeout | undefined
  call.on('data', (bytes: Buffer) => {
    onMessage(bytes)
    const waitMs = limit.take(performance.now())
    if (waitMs === 0) return
    call.pause()
    timer = setTimeout(() => call.resume(), waitMs)
  })
  return () => clearTimeout(timer)
}
