import type { Leg, Peer } from './leg.ts'

/** An accepted connection that waits for a decision. */
export interface Accepted {
  readonly conn: number
  readonly podId: number
  readonly direction: 'outbound' | 'inbound'
  /** Outbound: false when nobody published it; the reactor resets it by itself. */
  readonly originFound: boolean
  /** SLUICE_POD_ACCEL_* of the client pod when its app connected; outbound only. */
  readonly originFlags: number
  /** Socket cookie of the client's app (0: not known), and of the accepted socket. */
  readonly clientCookie: number
  readonly legCookie: number
  readonly peer: Peer
  /** Where the client wanted to go. */
  readonly asked: Peer
}

/** How a connection ended. Bytes are those of the proxy and of the kernel's pairing together. */
export interface Ended {
  readonly conn: number
  /** DoneReason */
  readonly reason: number
  readonly errno: number
  readonly receivedBytes: number
  readonly sentBytes: number
  readonly pairedBytes: number
  readonly durationUs: number
  /** From accept to the server's first byte; -1 when none came through the proxy. */
  readonly firstByteUs: number
}

/** What the flow asks of the reactor. */
export interface L4Commands {
  connect(conn: number, attempt: number, leg: Leg, timeoutMs: number): void
  reset(conn: number): void
  /** Slots of the two directions, client to server first. */
  pair(conn: number, slots: readonly [number, number]): void
}
