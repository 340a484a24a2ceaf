import { generationCount } from './abi.ts'

/**
 * Entries of the maps whose size is configuration. A map that is full costs what bpf/README.md
 * says.
 */
export interface MapSizes {
  readonly pods: number
  /** Intercepted connections at once, on the whole node. */
  readonly origins: number
  /** Legs between their SYN and the moment when the app's socket exists. */
  readonly bypasses: number
  /** Sockets that may be accelerated at once: four a same-node connection. */
  readonly sockets: number
  /** Pair directions at once, two a paired connection, over all generations. */
  readonly pairSlots: number
}

export const defaultMapSizes: MapSizes = {
  pods: 1024,
  origins: 131072,
  bypasses: 16384,
  sockets: 65536,
  pairSlots: 32768,
}

/** All maps that bpf/maps.h declares. Map names beyond 15 characters would be cut by the kernel. */
export const mapNames = [
  'pods_by_netns',
  'pods_by_addr',
  'listeners',
  'origins',
  'leg_intents',
  'bypasses',
  'sock_states',
  'listen_states',
  'sockets',
  'legs',
  'sock_info',
  'pairs',
  'pair_control',
  'pair_stats',
  'generations',
  'generation_claims',
  'proxy_cgroups',
  'settings',
  'active_layout',
  'node_usage',
  'pod_habits',
  'counters',
  'events',
  'verdicts',
] as const

export type MapName = (typeof mapNames)[number]

export type MapFds = Readonly<Record<MapName, number>>

/**
 * @throws RangeError for a size that is not a positive whole number, or slots that generations
 * cannot share
 */
export function maxEntriesOf(sizes: MapSizes): Partial<Record<MapName, number>> {
  for (const [name, value] of Object.entries(sizes)) {
    if (Number.isSafeInteger(value) && value > 0) continue
    throw new RangeError(`kernel map size ${name} is ${value}: it must be a positive whole number`)
  }
  if (sizes.pairSlots % generationCount !== 0) {
    throw new RangeError(`kernel map size pairSlots must be a multiple of ${generationCount}`)
  }
  const families = 2
  const listenersPerPod = 2 * families
  return {
    pods_by_netns: sizes.pods,
    pods_by_addr: sizes.pods * families,
    listeners: sizes.pods * listenersPerPod,
    pod_habits: sizes.pods,
    origins: sizes.origins,
    bypasses: sizes.bypasses,
    sockets: sizes.sockets,
    legs: sizes.sockets,
    sock_info: sizes.sockets,
    pairs: sizes.pairSlots,
    pair_control: sizes.pairSlots,
    pair_stats: sizes.pairSlots,
  }
}
