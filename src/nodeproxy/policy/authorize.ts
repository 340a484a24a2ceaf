import type { WorkloadFacts } from '../flat/profile.ts'
import type { Refusal } from './refusal.ts'

/** What a decision about one connection may rest on. */
export interface ConnectionFacts {
  readonly direction: 'outbound' | 'inbound'
  readonly source: WorkloadFacts | undefined
  readonly destination: WorkloadFacts | undefined
  readonly destinationAddress: string
  readonly destinationPort: number
  /**
   * Proven by mTLS; undefined on plain connections, whose source is only as true as its address.
   */
  readonly peerIdentity: string | undefined
}

/** Decides before any byte reaches the app. Undefined: let it through. */
export type Authorize = (facts: ConnectionFacts) => Refusal | undefined

/** The policy while there are no policy resources: everything that the network allows. */
export const allowAll: Authorize = () => undefined
