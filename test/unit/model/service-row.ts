import type { Connection, Situation } from './service-situations.ts'

/**
 * A situation, where kube-proxy's outcome is documented, that outcome, and ours where it is
 * another.
 */
export interface Row {
  readonly situation: string
  readonly source: string
  readonly is: Situation
  readonly connect?: Connection
  readonly kubeProxy: string
  /** Where it differs, with the reason. */
  readonly ours?: { readonly outcome: string; readonly because: string }
}
