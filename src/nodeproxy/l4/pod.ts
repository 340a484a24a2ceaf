import type { Acceleration, FailureMode } from '../../model/resources.ts'

/** What a worker knows of an enrolled pod of its node. Plain data, made by the agent. */
export interface PodView {
  /** Also the reactor's number for the pod's namespace. */
  readonly podId: number
  readonly uid: string
  readonly namespace: string
  readonly name: string
  /** uid of its workload. */
  readonly workload: string
  /** Undefined: it has none of this family. */
  readonly ipv4: string | undefined
  readonly ipv6: string | undefined
  readonly acceleration: Acceleration
  readonly failureMode: FailureMode
}

export function addressOf(pod: PodView, family: 4 | 6): string | undefined {
  return family === 4 ? pod.ipv4 : pod.ipv6
}

/** Whether the address is one that the agent knows to be this pod's. */
export function isAddressOf(pod: PodView, address: string): boolean {
  return address === pod.ipv4 || address === pod.ipv6
}

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}
