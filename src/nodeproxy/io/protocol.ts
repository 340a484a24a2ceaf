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
  rejected: 22,
  opaque: 23,
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
  http: 11,
  endpoint: 12,
  endpointRemove: 13,
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

export const RequestFlags = {
  http10: 1,
  upgrade: 2,
  connect: 4,
  chunked: 8,
  hasBody: 16,
  expect: 32,
  idempotent: 64,
} as const

export const RespondFlags = {
  close: 1,
} as const

export const AttemptReason = {
  connectFailed: 1,
  reset: 2,
  timeout: 3,
  badResponse: 4,
  noEndpoint: 5,
  tooLarge: 6,
  notReplayable: 7,
} as const

export const StreamReason = {
  done: 0,
  clientGone: 1,
  upstreamReset: 2,
  timeout: 3,
  badRequest: 4,
  aborted: 5,
} as const

export const MessageError = {
  bareLf: 1,
  bareCr: 2,
  controlByte: 3,
  requestLine: 4,
  statusLine: 5,
  version: 6,
  target: 7,
  fieldName: 8,
  spaceBeforeColon: 9,
  folded: 10,
  contentLength: 11,
  lengthAndCoding: 12,
  transferCoding: 13,
  hostMissing: 14,
  hostRepeated: 15,
  hostInvalid: 16,
  tooLarge: 17,
  tooManyFields: 18,
  chunkSize: 19,
  chunkExtension: 20,
  chunkEnd: 21,
  trailer: 22,
  timeout: 23,
  upgrade: 24,
  truncated: 25,
} as const
