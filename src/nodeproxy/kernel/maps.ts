/** Entries of the maps whose size is configuration. A map that is full costs what the README's table says. */
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
