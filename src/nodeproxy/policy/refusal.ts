/**
 * Why a connection was not forwarded, or ended otherwise than by its two ends. One table: the flag
 * is Envoy's where one fits (%RESPONSE_FLAGS%), so that dashboards and people know it; the reason
 * is for logs.
 */
export const refusals = {
  unpublished: { flag: 'NR', reason: 'no connect of an app was published for it' },
  noSuchPort: { flag: 'NR', reason: 'the service does not have this port' },
  notForPod: { flag: 'NR', reason: 'it came to the listener itself, not to an address of the pod' },
  outsideRefused: { flag: 'NR', reason: 'destination outside the mesh, and settings refuse those' },
  notKnownInTime: {
    flag: 'NC',
    reason: 'configuration did not answer in time, and the pod fails closed',
  },
  noEndpoints: { flag: 'UH', reason: 'no endpoint is ready' },
  noLocalEndpoints: {
    flag: 'UH',
    reason: 'internalTrafficPolicy is Local, and no endpoint on this node is ready',
  },
  connectFailed: { flag: 'UF', reason: 'the endpoint could not be reached' },
  attemptsExhausted: { flag: 'UF,URX', reason: 'no endpoint could be reached' },
  denied: { flag: 'RBAC', reason: 'denied by policy' },
  overLimit: { flag: 'UO', reason: 'the pod is over its limit of connections or buffered bytes' },
  stopping: { flag: 'LR', reason: 'the proxy stops, and its time to drain is over' },
  podGone: { flag: 'LR', reason: 'the pod has ended' },
} as const

export type RefusalKind = keyof typeof refusals

/**
 * A step's answer when the connection shall not go on. `detail` names the subject and the likely
 * fix.
 */
export interface Refusal {
  readonly kind: RefusalKind
  readonly flag: string
  readonly reason: string
  readonly detail: string
}

export function refuse(kind: RefusalKind, detail: string): Refusal {
  return { kind, ...refusals[kind], detail }
}
