/** The kernel programs' own settings, for the whole node; one map write makes them effective at once. */
export interface Settings {
  /** A proxy whose last heartbeat is older counts as dead. */
  readonly beatMaxAgeMs: number
  /** Redirected bytes that may wait in one app's socket before its sender goes the long way. */
  readonly pairLimitBytes: number
  /** The same for a proxy's socket. */
  readonly legLimitBytes: number
  /** The same for all sockets of the node together. */
  readonly nodeLimitBytes: number
  /** What happens to a connect from a netns that the agent has not classified yet. */
  readonly unclassified: 'count' | 'refuse'
  /** Off where the kernel does not account redirected bytes: nothing enters the sockhash. */
  readonly acceleration: boolean
  /** Report every intercepted connect as an event. */
  readonly accessEvents: boolean
}

export const defaultSettings: Settings = {
  beatMaxAgeMs: 500,
  pairLimitBytes: 4 << 20,
  legLimitBytes: 1 << 20,
  nodeLimitBytes: 256 << 20,
  unclassified: 'count',
  acceleration: true,
  accessEvents: false,
}
