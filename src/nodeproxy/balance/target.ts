/** One address and port a connection may be sent to. Plain data; the same for every balancer. */
export interface Target {
  /** `address/port`: what in-flight counts, health and affinity go by. */
  readonly key: string
  readonly address: string
  readonly port: number
  /** uid of the workload behind it; empty for an address that nobody named. */
  readonly workload: string
  /** Where it runs, as far as that is known. */
  readonly node?: string
}

export function targetKey(address: string, port: number): string {
  return `${address}/${port}`
}
