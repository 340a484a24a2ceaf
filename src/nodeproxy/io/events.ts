/**
 * The reactor's events, decoded. Each kind has ONE object that is filled anew for every event, so
 * that the hot path allocates nothing: take what you need out of it before you return. 64-bit
 * values are numbers: byte counts, microseconds and socket cookies (a counter of the kernel's) stay
 * far below 2^53.
 */

import type { HttpEventHandlers } from './http-events.ts'

/** Four words in memory order, IPv4 as v4-mapped. Reused like its event. */
export type AddressWords = Int32Array

export interface AcceptEvent {
  conn: number
  listener: number
  /** AcceptFlags */
  flags: number
  /** SLUICE_POD_ACCEL_* of the client's pod at its connect; outbound only. */
  originFlags: number
  pod: number
  readonly peer: AddressWords
  peerPort: number
  /** Inbound: what the client asked for. */
  readonly local: AddressWords
  localPort: number
  /** Outbound: what the client asked for, if `flags` has originFound. */
  readonly origin: AddressWords
  originPort: number
  /** Of the app's own socket; 0 when unknown. */
  clientCookie: number
  /** Of the accepted socket. */
  legCookie: number
}

export interface ConnectedEvent {
  conn: number
  attempt: number
  connectUs: number
  localPort: number
  legCookie: number
}

export interface ConnectFailedEvent {
  conn: number
  attempt: number
  errno: number
  connectUs: number
}

/** The last event of a connection. Bytes are those that went through the proxy, and past it. */
export interface DoneEvent {
  conn: number
  /** DoneReason */
  reason: number
  errno: number
  receivedBytes: number
  sentBytes: number
  durationUs: number
  directToServerBytes: number
  directToClientBytes: number
  /** From accept to the server's first byte; -1 when none came through the proxy. */
  firstByteUs: number
}

export interface ListenerEvent {
  listener: number
  /** ListenerReason */
  reason: number
  /** Connections that were reset at accept since the last event. */
  refused: number
  errno: number
}

export interface PairedEvent {
  conn: number
  clientSlot: number
  serverSlot: number
  /** 0: paired; else the connection goes on through the proxy. */
  errno: number
}

export interface NetnsFailedEvent {
  netns: number
  family: number
  errno: number
}

export interface EventHandlers extends Partial<HttpEventHandlers> {
  onAccept(event: AcceptEvent): void
  onConnected(event: ConnectedEvent): void
  onConnectFailed(event: ConnectFailedEvent): void
  onDone(event: DoneEvent): void
  onTimer(timer: number): void
  onListener(event: ListenerEvent): void
  onPaired(event: PairedEvent): void
  onNetnsFailed(event: NetnsFailedEvent): void
  /** Its client speaks HTTP/2: a connection of bytes from here on, which waits for its leg. */
  onOpaque?(conn: number): void
}
