import type { HttpListener } from '../admin/http.ts'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import type { NodeProxyOptions } from './options.ts'

/** How another process finds the proxy of its node. */
type Whereabouts = Pick<NodeProxyOptions, 'takeoverSocket' | 'adminAddress'>

const retryMs = 20
const timeoutMs = 10_000

/**
 * Tells the proxy that holds the takeover socket, or else the admin address, to drain: it stops
 * accepting, leaves the kernel's events and gives up its ports. Nobody there is the usual case.
 * @returns whether there was one
 */
export async function drainPredecessor(where: Whereabouts): Promise<boolean> {
  try {
    const status = await post(where, '/drain', 2_000)
    return status >= 200 && status < 300
  } catch {
    return false
  }
}

/**
 * Has the proxy of this node take every pod out of the mesh.
 * @returns whether there was a proxy
 * @throws Error when it did not do so
 */
export async function withdrawNode(where: Whereabouts): Promise<boolean> {
  try {
    const status = await post(where, '/withdraw', 60_000)
    if (status === 200) return true
    throw new Error(`the proxy answered POST /withdraw with ${status}; its log says why`)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return false
    throw error
  }
}

async function post(
  { takeoverSocket, adminAddress }: Whereabouts,
  path: string,
  timeoutMs: number,
): Promise<number> {
  const where = takeoverSocket === undefined ? adminAddress : { socketPath: takeoverSocket }
  const signal = AbortSignal.timeout(timeoutMs)
  const call = request({ ...where, path, method: 'POST', signal })
  call.end()
  const [answer] = (await once(call, 'response')) as [IncomingMessage]
  answer.resume()
  return answer.statusCode ?? 0
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
