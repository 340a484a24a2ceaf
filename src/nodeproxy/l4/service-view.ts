import type { Refusal } from '../policy/refusal.ts'

/**
 * The endpoints of one service port for clients of this node; a connection stays in its own family.
 */
export interface PortView {
  readonly port: number
  readonly family: 4 | 6
  /** For connections to the service's external addresses, where that makes a difference. */
  readonly external: boolean
  /** As the model has it: 'http', 'tcp', …; empty when nobody says. */
  readonly appProtocol: string
  /** Why there are no targets. */
  readonly refusal: Refusal | undefined
  /** Which of the table's endpoints are targets; undefined: all. */
  readonly endpoints: Uint32Array | undefined
}

/** How telemetry names a service. */
export interface ServiceName {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly hostname: string
}

/**
 * What a worker needs of a service: kube-proxy's rules are applied already. One service is one unit
 * of publication.
 */
export interface ServiceView {
  readonly key: string
  /** See flat/service-table.ts. All workers read the same one. */
  readonly table: SharedArrayBuffer
  readonly ports: readonly PortView[]
}
