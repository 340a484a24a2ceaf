import { podFlags, settingsLayout, unclassifiedModes } from './abi.ts'
import { encode } from './layout.ts'

/** Modes in which sockets enter the sockhash. */
export type AcceleratedMode = 'auto' | 'full'

/**
 * The kernel programs' own settings, for the whole node; one map write makes them effective at
 * once.
 */
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
  /** What pods may ask for. A pod that asks for another mode is served as with 'off'. */
  readonly acceleration: readonly AcceleratedMode[]
  /** Report every intercepted connect as an event. */
  readonly accessEvents: boolean
}

export const defaultSettings: Settings = {
  beatMaxAgeMs: 500,
  pairLimitBytes: 4 << 20,
  legLimitBytes: 1 << 20,
  nodeLimitBytes: 256 << 20,
  unclassified: 'count',
  acceleration: ['auto', 'full'],
  accessEvents: false,
}

const modeFlags = { auto: podFlags.accelAuto, full: podFlags.accelFull } as const
const nsPerMs = 1_000_000n

/** @throws RangeError for a limit that is not a positive whole number */
export function encodeSettings(settings: Settings, olderLayout: boolean): Uint8Array {
  return encode(settingsLayout, {
    beatMaxAgeNs: positive('beatMaxAgeMs', settings.beatMaxAgeMs) * nsPerMs,
    pairLimitBytes: positive('pairLimitBytes', settings.pairLimitBytes),
    legLimitBytes: positive('legLimitBytes', settings.legLimitBytes),
    nodeLimitBytes: positive('nodeLimitBytes', settings.nodeLimitBytes),
    unclassified: unclassifiedModes[settings.unclassified],
    acceleration: settings.acceleration.reduce((mask, mode) => mask | modeFlags[mode], 0),
    olderLayout: olderLayout ? 1 : 0,
    accessEvents: settings.accessEvents ? 1 : 0,
  })
}

function positive(name: string, value: number): bigint {
  if (Number.isSafeInteger(value) && value > 0) return BigInt(value)
  throw new RangeError(`kernel setting ${name} is ${value}: it must be a positive whole number`)
}
