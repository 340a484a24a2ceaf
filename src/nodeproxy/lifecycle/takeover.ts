import type { HttpListener } from '../admin/http.ts'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { NodeProxyOptions } from './options.ts'

const retryMs = 20
const timeoutMs = 10_000

/**
 * Tells the proxy that holds the takeover socket, or else the admin address, to drain: it stops
 * accepting, leaves the kernel's events and gives up its ports. Nobody there is the usual case.
 * @returns whether there was one
 */
export async function drainPredecessor({
  takeoverSocket,
  adminAddress,
}: Pick<NodeProxyOptions, 'takeoverSocket' | 'adminAddress'>): Promise<boolean> {
  const where = takeoverSocket === undefined ? adminAddress : { socketPath: takeoverSocket }
  try {
    const call = request({
      ...where,
      path: '/drain',
      method: 'POST',
      signal: AbortSignal.timeout(2_000),
    })
    call.end()
    const [answer] = (await once(call, 'response')) as [IncomingMessage]
    answer.resume()
    const { statusCode = 0 } = answer
    return statusCode >= 200 && statusCode < 300
  } catch {
    return false
  }
}

/**
 * Opens what a predecessor may still hold for a moment; its last error is thrown when that takes
 * too long.
 */
export async function whenFree(open: () => Promise<HttpListener>): Promise<HttpListener> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if (performance.now() > deadline || !isInUse(error)) throw error
      await new Promise((resolve) => setTimeout(resolve, retryMs))
    }
  }
}

function isInUse(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause && cause.code === 'EADDRINUSE'
}
