import type { Target } from '../balance/target.ts'

/** The endpoints that one service port has for this node, by family: a connection stays in its own. */
export interface PortView {
  readonly port: number
  readonly ipv4: readonly Target[]
  readonly ipv6: readonly Target[]
}

/**
 * What a worker needs of a service, as plain data: kube-proxy's rules are applied already. One service is one
 * unit of publication.
 */
export interface ServiceView {
  readonly key: string
  readonly namespace: string
  readonly name: string
  readonly hostname: string
  readonly clientAffinitySeconds: number
  readonly ports: readonly PortView[]
}
