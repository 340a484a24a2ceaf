/**
 * The TypeScript half of native/keeper/protocol.h, which documents every message. A test compares
 * the two number by number, so a change belongs in both files.
 */

export const KEEPER_MAGIC = 0x314b4c53
export const KEEPER_PROTOCOL = 1
export const KEEPER_VERSION = 3

export const MAX_MESSAGE_BYTES = 80 * 1024
export const MAX_POD_FDS = 8
export const MAX_UID_BYTES = 128
export const MAX_ALIVE_PATH_BYTES = 1024
export const MAX_FACTS_BYTES = 4096

export const KeeperMessage = {
  hello: 1,
  putListeners: 2,
  dropPod: 3,
  list: 4,
  pod: 5,
  putPair: 6,
  dropPair: 7,
  stats: 8,
  takeover: 9,
  owner: 10,
  pair: 11,
  takeoverDone: 12,
  slots: 13,
  patience: 14,
  letGo: 15,
} as const

/** In the order of KeeperStat. */
export const keeperStats = [
  'pods',
  'listeners',
  'pairs',
  'adoptedPairs',
  'adoptions',
  'adoptionsRefused',
  'forwardedBytes',
  'waitingReset',
  'podsVanished',
  'messagesRefused',
  'peersRefused',
  'takeovers',
] as const

export type KeeperStats = Readonly<Record<(typeof keeperStats)[number], number>>

export const HEADER_BYTES = 16
export const HELLO_BYTES = 8
export const HELLO_REPLY_BYTES = 16
export const PATIENCE_BYTES = 16
export const POD_BYTES = 8
export const PAIR_BYTES = 56
