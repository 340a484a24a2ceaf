import type { Target } from '../balance/target.ts'
import type { Refusal } from '../policy/refusal.ts'

/**
 * The endpoints of one service port for clients of this node; a connection stays in its own family.
 */
export interface PortView {
  readonly port: number
  readonly family: 4 | 6
  /** For connections to the service's external addresses, where that makes a difference. */
  readonly external: boolean
  readonly targets: readonly Target[]
  /** Why there are no targets. */
  readonly refusal: Refusal | undefined
}

/** How telemetry names a service. */
export interface ServiceName {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly hostname: string
}

/**
 * What a worker needs of a service, as plain data: kube-proxy's rules are applied already. One
 * service is one unit of publication.
 */
export interface ServiceView extends ServiceName {
  readonly clientAffinitySeconds: number
  readonly ports: readonly PortView[]
}
