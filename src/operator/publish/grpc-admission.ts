import { type Metadata, status } from '@grpc/grpc-js'
import type { GrpcLimits } from './grpc-limits.ts'
import { createRateLimits } from './rate-limit.ts'

/** Who a node is, by what it showed. */
export interface NodeIdentity {
  readonly node: string
  /** When what it showed ends, on the clock of Date.now(); the stream ends then too. */
  readonly expiresAtMs: number
}

/** Why somebody is not let in, in words for him. `later`: the fault is not his. */
export interface IdentityRefusal {
  readonly error: string
  readonly later: boolean
}

export type Authenticate = (token: string) => Promise<NodeIdentity | IdentityRefusal>

export interface AdmissionOptions {
  readonly authenticate: Authenticate
  readonly limits: Pick<GrpcLimits, 'streams' | 'authenticating'>
}

interface Refused {
  readonly node: string
  readonly code: status
  readonly reason: string
}

/** Who opens a stream, or why it is not served. */
export function createAdmission({ authenticate, limits }: AdmissionOptions) {
  const rates = createRateLimits(limits.streams)
  let authenticating = 0

  return async (metadata: Metadata): Promise<NodeIdentity | Refused> => {
    const token = bearerToken(metadata)
    if (token === undefined) {
      const reason = 'no token: send `authorization: Bearer <token>`'
      return { node: '', code: status.UNAUTHENTICATED, reason }
    }
    if (authenticating >= limits.authenticating) {
      const reason = 'many nodes come at once: come back later'
      return { node: '', code: status.RESOURCE_EXHAUSTED, reason }
    }
    authenticating += 1
    const who = await authenticate(token).finally(() => void (authenticating -= 1))
    if (!('node' in who)) {
      const code = who.later ? status.UNAVAILABLE : status.UNAUTHENTICATED
      return { node: '', code, reason: who.error }
    }
    const waitMs = rates.take(who.node, performance.now())
    if (waitMs === 0) return who
    const reason = `node ${who.node} opens too many streams: come back in ${waitMs} ms`
    return { node: who.node, code: status.RESOURCE_EXHAUSTED, reason }
  }
}

function bearerToken(metadata: Metadata): string | undefined {
  const [value] = metadata.get('authorization')
  return typeof value === 'string'
    ? /^Bearer (?<token>\S+)$/u.exec(value)?.groups?.['token']
    : undefined
}
