import type { Undo } from './net/link-faults.ts'
import { nftApply } from './net/nft.ts'
import type { LabPod } from './pod.ts'

/** What a drop needs to know of a pod. */
export type DenialTarget = Pick<LabPod, 'name' | 'addresses' | 'hostInterface'>

/** What a drop is about; what is not given is any. */
export interface Denial<Pod extends DenialTarget = DenialTarget> {
  readonly from?: Pod
  readonly to: Pod
  readonly port?: number
  /** True: cuts established connections as well, which NetworkPolicy does not. */
  readonly established?: boolean
}

const TABLE = 'inet network-policy'
const PRELUDE = [
  `add table ${TABLE}`,
  `add chain ${TABLE} cut { type filter hook forward priority filter - 1 ; }`,
  `add chain ${TABLE} ingress { type filter hook forward priority filter ; }`,
  // A chain without a rule is not there twice: flushed and written anew with each change.
  `flush table ${TABLE}`,
]

/**
 * The drops of one node, at its ends of the pods' links, where CNI plugins enforce NetworkPolicy.
 */
export function createDenials(netns: string) {
  const active = new Set<Denial>()
  let running: Promise<void> = Promise.resolve()

  function apply(): Promise<void> {
    const rules = [...active].flatMap(ruleOf)
    const text = [
      ...PRELUDE,
      `add rule ${TABLE} ingress ct state established,related accept`,
      ...rules.map((rule) => `add rule ${TABLE} ${rule}`),
    ]
    const next = running.then(() => nftApply(netns, `${text.join('\n')}\n`))
    running = next.catch(() => {})
    return next
  }

  return {
    async deny(denial: Denial): Promise<Undo> {
      active.add(denial)
      await apply()
      return async () => {
        if (active.delete(denial)) await apply()
      }
    },
  }
}

export type Denials = ReturnType<typeof createDenials>

function ruleOf({ from, to, port, established = false }: Denial): string[] {
  if (to.hostInterface === '')
    throw new Error(`pod ${to.name} shares its node's network: nothing is dropped there`)
  const chain = established ? 'cut' : 'ingress'
  const ports = port === undefined ? '' : `th dport ${port} `
  const sources =
    from === undefined
      ? ['']
      : [
          `ip saddr ${from.addresses.v4} `,
          ...(from.addresses.v6 === undefined ? [] : [`ip6 saddr ${from.addresses.v6} `]),
        ]
  return sources.map((source) => `${chain} oifname ${to.hostInterface} ${source}${ports}drop`)
}
