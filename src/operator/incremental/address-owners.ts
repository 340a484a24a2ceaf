import { ownerOfAddress, ownsAddresses } from '../compile/compile-pods.ts'
import type { PodFacts } from '../compile/facts.ts'
import { type FactStore, factKey } from './fact-store.ts'
import { createIndexSets } from './index-sets.ts'
import type { ProblemLog } from './problem-log.ts'

/** Which pod has an address, where several say that they do. */
export interface AddressOwners {
  /** Key of the pod. */
  get(ip: string): string | undefined
  changed(key: string, now: PodFacts | undefined): void
  /**
   * @returns the addresses that are another pod's now, and the pods that may have lost or got some
   */
  settle(): { readonly ips: ReadonlySet<string>; readonly pods: ReadonlySet<string> }
}

export function createAddressOwners(facts: FactStore, problems: ProblemLog): AddressOwners {
  const byIp = createIndexSets()
  const owners = new Map<string, string>()
  const dirty = new Set<string>()

  return {
    get: (ip) => owners.get(ip),
    changed(key, now) {
      const ips = now !== undefined && ownsAddresses(now) ? now.ips : []
      for (const ip of [...byIp.keysOf(key), ...ips]) dirty.add(ip)
      byIp.set(key, ips)
    },
    settle() {
      const ips = new Set<string>()
      const pods = new Set<string>()
      for (const ip of dirty) {
        const claimants = facts.pick('Pod', byIp.get(ip))
        const owner = problems.during(`ip ${ip}`, (report) => ownerOfAddress(ip, claimants, report))
        const [before, now] = [owners.get(ip), owner === undefined ? undefined : factKey(owner)]
        for (const key of [before, now]) if (key !== undefined) pods.add(key)
        if (before === now) continue
        ips.add(ip)
        if (now === undefined) owners.delete(ip)
        else owners.set(ip, now)
      }
      dirty.clear()
      return { ips, pods }
    },
  }
}
