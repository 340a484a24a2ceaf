/**
 * The TypeScript half of native/reactor/protocol.h, which documents every record's layout. A test
 * compares the two number by number, so a change belongs in both files.
 */

export const RING_HEADER_WORDS = 8

export const Event = {
  pad: 0,
  accept: 1,
  connected: 2,
  connectFailed: 3,
  done: 4,
  timer: 5,
  listenerPaused: 6,
  paired: 7,
  netnsFailed: 8,
  request: 16,
  responseHead: 17,
  bodyIn: 18,
  trailers: 19,
  reset: 20,
  streamDone: 21,
  hostAtom: 22,
} as const

export const Command = {
  pad: 0,
  listen: 1,
  unlisten: 2,
  netnsAdd: 3,
  netnsRemove: 4,
  connect: 5,
  close: 6,
  pair: 7,
  timer: 8,
  drain: 9,
  idleTimeout: 10,
  forward: 16,
  respond: 17,
  bodyOut: 18,
  pause: 19,
  resume: 20,
  reset: 21,
  trailersOut: 22,
} as const

export const Direction = {
  outbound: 0,
  inbound: 1,
} as const

export const AcceptFlags = {
  originFound: 1,
  ipv6: 2,
} as const

export const DoneReason = {
  closed: 0,
  clientReset: 1,
  serverReset: 2,
  refused: 3,
  connectTimeout: 4,
  idle: 5,
  unpublished: 6,
  overLimit: 7,
  shutdown: 8,
  adopted: 9,
} as const

export const CloseHow = {
  reset: 0,
  fin: 1,
  adopted: 2,
} as const

export const ListenerReason = {
  resumed: 0,
  noDescriptors: 1,
  podLimit: 2,
  tableFull: 3,
  failed: 4,
} as const
