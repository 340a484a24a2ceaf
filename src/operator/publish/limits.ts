/** What one node may ask for and is sent at once, so that a faulty one costs no other. */
export interface PublishLimits {
  readonly subscriptionsPerNode: number
  readonly streamsPerNode: number
  /** Characters of a subscription's name. */
  readonly nameLength: number
  /** Resources and endpoints in one delta; one resource is always sent, however large. */
  readonly itemsPerDelta: number
  /** Refused names that wait to be told; more are not answered. */
  readonly refusalsWaiting: number
}

export const defaultLimits: PublishLimits = {
  subscriptionsPerNode: 10_000,
  // Two proxy generations, and each may have an old stream that is not yet known to be dead.
  streamsPerNode: 4,
  nameLength: 300,
  itemsPerDelta: 5_000,
  refusalsWaiting: 1_000,
}
