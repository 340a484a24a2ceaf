/** What is known of one address that was asked for. */
export interface AddressRecord {
  readonly ip: string
  /** Who asked first: his share it is counted in. */
  readonly requester: string
  readonly askedAtMs: number
  state: 'pending' | 'present' | 'absent' | 'refused'
  /** Why, when refused. */
  reason: string
  usedAtMs: number
}

/**
 * The addresses a node is subscribed to, each in the share of who asked first, the least recently
 * used of a share first. A share is bounded, so a pod that scans addresses pushes out its own
 * alone.
 */
export interface AddressBook {
  get(ip: string): AddressRecord | undefined
  /** @returns the addresses that had to go for it, and are to be unsubscribed */
  add(record: AddressRecord): readonly string[]
  use(record: AddressRecord, nowMs: number): void
  delete(ip: string): void
  records(): Iterable<AddressRecord>
  readonly size: number
}

/** @param total @param perRequester how many there may be, of all and of one who asks */
export function createAddressBook(total: number, perRequester: number): AddressBook {
  const records = new Map<string, AddressRecord>()
  const shares = new Map<string, Map<string, AddressRecord>>()

  function remove(ip: string): void {
    const record = records.get(ip)
    if (record === undefined) return
    records.delete(ip)
    const share = shares.get(record.requester)
    share?.delete(ip)
    if (share?.size === 0) shares.delete(record.requester)
  }

  function largestShare(): ReadonlyMap<string, AddressRecord> | undefined {
    let largest: ReadonlyMap<string, AddressRecord> | undefined
    for (const share of shares.values()) {
      if (largest === undefined || share.size > largest.size) largest = share
    }
    return largest
  }

  return {
    get: (ip) => records.get(ip),
    add(record) {
      const gone: string[] = []
      const own = shares.get(record.requester)
      const full = (own?.size ?? 0) >= perRequester ? own : undefined
      const from = full ?? (records.size >= total ? largestShare() : undefined)
      const oldest = from?.keys().next()
      if (oldest?.done === false) gone.push(oldest.value)
      for (const ip of gone) remove(ip)
      records.set(record.ip, record)
      const share = shares.get(record.requester) ?? new Map<string, AddressRecord>()
      shares.set(record.requester, share.set(record.ip, record))
      return gone
    },
    use(record, nowMs) {
      record.usedAtMs = nowMs
      const share = shares.get(record.requester)
      if (share?.delete(record.ip) === true) share.set(record.ip, record)
    },
    delete: remove,
    records: () => records.values(),
    get size() {
      return records.size
    },
  }
}
