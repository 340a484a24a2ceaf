import { createHash } from 'node:crypto'
import type { KubeApi } from '../kube/api.ts'
import type { Authenticate, IdentityRefusal, NodeIdentity } from '../publish/grpc-admission.ts'

export interface TokenReviewerOptions {
  readonly api: KubeApi
  /** That tokens must be made for. */
  readonly audience: string
  /** Of the DaemonSet, as `namespace/name`: nobody else is a node. */
  readonly serviceAccount: string
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** How long an answer is believed: a node that comes back soon costs the API server nothing. */
  readonly goodMs?: number
  readonly badMs?: number
  /** Answers that are kept; the oldest go first. */
  readonly cacheSize?: number
}

type Answer = NodeIdentity | IdentityRefusal

const maxTokenCharacters = 16_384

/**
 * Who a node is, by what the API server says of its token: the token is bound to a pod, and the pod
 * runs on a node. What a node says of itself counts for nothing.
 */
export function tokenReviewer(options: TokenReviewerOptions): Authenticate {
  const { now = Date.now, goodMs = 60_000, badMs = 5_000, cacheSize = 4_096 } = options
  const known = new Map<string, { readonly answer: Promise<Answer>; untilMs: number }>()

  return async (token) => {
    if (token.length > maxTokenCharacters) return refused('the token is too long to be one')
    const key = createHash('sha256').update(token).digest('base64')
    const found = known.get(key)
    if (found !== undefined && found.untilMs > now()) return found.answer
    known.delete(key)
    const entry = { answer: review(options, token, now()), untilMs: Number.POSITIVE_INFINITY }
    known.set(key, entry)
    const [oldest] = known.keys()
    if (known.size > cacheSize && oldest !== undefined) known.delete(oldest)
    const answer = await entry.answer
    entry.untilMs = 'node' in answer ? Math.min(now() + goodMs, answer.expiresAtMs) : now() + badMs
    // The API server was away: that is true of no other moment.
    if ('later' in answer && answer.later) known.delete(key)
    return answer
  }
}

interface ReviewStatus {
  readonly authenticated?: boolean
  readonly audiences?: readonly string[]
  readonly error?: string
  readonly user?: {
    readonly username?: string
    readonly extra?: Readonly<Record<string, readonly string[]>>
  }
}

async function review(
  { api, audience, serviceAccount }: TokenReviewerOptions,
  token: string,
  nowMs: number,
): Promise<Answer> {
  try {
    const { status = {} } = (await api.call({
      method: 'POST',
      path: '/apis/authentication.k8s.io/v1/tokenreviews',
      body: {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, audiences: [audience] },
      },
    })) as { readonly status?: ReviewStatus }
    if (status.authenticated !== true) {
      return refused(`the API server does not know the token: ${status.error ?? 'no reason given'}`)
    }
    if (status.audiences?.includes(audience) !== true) {
      return refused(`the token is not for ${audience}: project one with that audience`)
    }
    const [namespace = '', name = ''] = serviceAccount.split('/')
    if (status.user?.username !== `system:serviceaccount:${namespace}:${name}`) {
      const who = status.user?.username ?? 'nobody'
      return refused(`the token is ${who}'s: nodes run as service account ${serviceAccount}`)
    }
    const node = await nodeOf(api, namespace, status.user.extra ?? {})
    if (node === undefined) return refused('the token is bound to no pod on a node')
    return { node, expiresAtMs: expiryOf(token) ?? nowMs + unknownExpiryMs }
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return { error: `the token could not be looked at: ${cause}`, later: true }
  }
}

const claim = 'authentication.kubernetes.io'

/** Kubernetes 1.32 says the node; before that it is the pod's, if it is that pod still. */
async function nodeOf(
  api: KubeApi,
  namespace: string,
  extra: Readonly<Record<string, readonly string[]>>,
): Promise<string | undefined> {
  const uid = extra[`${claim}/pod-uid`]?.[0]
  const name = extra[`${claim}/pod-name`]?.[0]
  if (uid === undefined || name === undefined) return undefined
  const said = extra[`${claim}/node-name`]?.[0]
  if (said !== undefined && said !== '') return said
  const pod = (await api.call({ path: `/api/v1/namespaces/${namespace}/pods/${name}` })) as {
    readonly metadata?: { readonly uid?: string }
    readonly spec?: { readonly nodeName?: string }
  }
  return pod.metadata?.uid === uid && pod.spec?.nodeName !== '' ? pod.spec?.nodeName : undefined
}

function refused(error: string): IdentityRefusal {
  return { error, later: false }
}

const unknownExpiryMs = 3_600_000

/** The API server has checked the signature, so what the token says of itself is true. */
function expiryOf(token: string): number | undefined {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()
    const { exp } = JSON.parse(payload) as { readonly exp?: unknown }
    return typeof exp === 'number' ? exp * 1_000 : undefined
  } catch {
    return undefined
  }
}
