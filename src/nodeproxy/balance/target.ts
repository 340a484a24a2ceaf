import type { WorkloadFacts } from '../flat/profile.ts'

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
  /** What is known of that workload. */
  readonly facts?: WorkloadFacts | undefined
}

/**
 * Targets by number, wherever they are kept: thousands of them cost nobody an object before they
 * are picked.
 */
export interface TargetList {
  readonly length: number
  /** @param index below length */
  at(index: number): Target
  /** That of at(index), which is not made for it. */
  keyAt(index: number): string
  nodeAt(index: number): string
  /** -1: none of them has it. */
  indexOf(key: string): number
}

export function targetKey(address: string, port: number): string {
  return `${address}/${port}`
}
