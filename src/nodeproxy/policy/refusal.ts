/**
 * Why a connection or a request was not forwarded, or ended otherwise than by its two ends. One
 * table: the status is what a request is answered with (a connection of bytes is reset), the flag
 * is Envoy's where one fits (%RESPONSE_FLAGS%), so that dashboards and people know it; the reason
 * is for logs.
 */
export const refusals = {
  unpublished: { status: 503, flag: 'NR', reason: 'no connect of an app was published for it' },
  noSuchPort: { status: 503, flag: 'NR', reason: 'the service does not have this port' },
  notForPod: {
    status: 503,
    flag: 'NR',
    reason: 'it came to the listener itself, not to an address of the pod',
  },
  outsideRefused: {
    status: 503,
    flag: 'NR',
    reason: 'destination outside the mesh, and settings refuse those',
  },
  notKnownInTime: {
    status: 503,
    flag: 'NC',
    reason: 'configuration did not answer in time, and the pod fails closed',
  },
  noRoute: { status: 404, flag: 'NR', reason: 'no route matches the request' },
  invalidBackend: {
    status: 500,
    flag: 'NC',
    reason: 'the route leads to no backend that there is',
  },
  noEndpoints: { status: 503, flag: 'UH', reason: 'no endpoint is ready' },
  noLocalEndpoints: {
    status: 503,
    flag: 'UH',
    reason: 'internalTrafficPolicy is Local, and no endpoint on this node is ready',
  },
  connectFailed: { status: 503, flag: 'UF', reason: 'the endpoint could not be reached' },
  attemptsExhausted: { status: 503, flag: 'UF,URX', reason: 'no endpoint could be reached' },
  upstreamReset: {
    status: 503,
    flag: 'UC',
    reason: 'the endpoint ended the connection without a response',
  },
  upstreamTimeout: { status: 504, flag: 'UT', reason: 'the endpoint did not answer in time' },
  badResponse: { status: 502, flag: 'UPE', reason: 'what the endpoint sent is no HTTP' },
  headTooLarge: { status: 500, flag: 'LR', reason: 'the head is too large with its changes' },
  denied: { status: 403, flag: 'RBAC', reason: 'denied by policy' },
  overLimit: {
    status: 503,
    flag: 'UO',
    reason: 'the pod is over its limit of connections or buffered bytes',
  },
  stopping: {
    status: 503,
    flag: 'LR',
    reason: 'the proxy stops, and its time to drain is over',
  },
  podGone: { status: 503, flag: 'LR', reason: 'the pod has ended' },
} as const

export type RefusalKind = keyof typeof refusals

/**
 * A step's answer when the connection shall not go on. `detail` names the subject and the likely
 * fix.
 */
export interface Refusal {
  readonly kind: RefusalKind
  readonly status: number
  readonly flag: string
  readonly reason: string
  readonly detail: string
}

export function refuse(kind: RefusalKind, detail: string): Refusal {
  return { kind, ...refusals[kind], detail }
}
