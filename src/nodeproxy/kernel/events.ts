import { eventKinds, eventLayout } from './abi.ts'
import { decode } from './layout.ts'

/** What the kernel reports, decoded. Times are CLOCK_MONOTONIC. */
export type KernelEvent =
  | {
      /**
       * An app set a socket to blocking that could take part in acceleration; it has been taken
       * out.
       */
      readonly kind: 'turnedBlocking'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly pid: number
    }
  | {
      /**
       * An app read by splice(2) from a socket that takes redirected bytes: mode `full` does not
       * suit it.
       */
      readonly kind: 'spliceUser'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly cgroupId: bigint
      readonly pid: number
    }
  | {
      /** A connect from a netns that is neither enrolled nor excluded. */
      readonly kind: 'unclassified'
      readonly atNs: bigint
      readonly netnsCookie: bigint
      readonly cgroupId: bigint
      readonly pid: number
      readonly address: string
      readonly port: number
    }
  | {
      /** An intercepted connect; only with settings.accessEvents. */
      readonly kind: 'connect'
      readonly atNs: bigint
      readonly socketCookie: bigint
      readonly netnsCookie: bigint
      readonly podId: number
      readonly pid: number
      readonly address: string
      readonly port: number
    }

/** What is said of a pod in mode 'full' of which a container was seen to use splice(2) ... */
export const spliceUserAdvice =
  'a container reads by splice(2), which acceleration full does not suit: its new connections ' +
  "are not accelerated; ask for 'auto'"

/** ... or to turn connected sockets blocking. */
export const blockingClientAdvice =
  'a container turns its sockets blocking once they are connected, which acceleration full does ' +
  "not suit: new connections that it opens are not accelerated; ask for 'auto'"

/**
 * Undefined for a kind that this version does not know: a newer program of the same layout may send
 * one.
 */
export function decodeEvent(record: Uint8Array): KernelEvent | undefined {
  const raw = decode(eventLayout, record)
  const { atNs, socketCookie, netnsCookie, cgroupId, pid, podId, port } = raw
  switch (raw.kind) {
    case eventKinds.turnedBlocking:
      return { kind: 'turnedBlocking', atNs, socketCookie, netnsCookie, pid }
    case eventKinds.spliceUser:
      return { kind: 'spliceUser', atNs, socketCookie, netnsCookie, cgroupId, pid }
    case eventKinds.unclassified: {
      return { kind: 'unclassified', atNs, netnsCookie, cgroupId, pid, address: raw.addr, port }
    }
    case eventKinds.connect: {
      const where = { address: raw.addr, port }
      return { kind: 'connect', atNs, socketCookie, netnsCookie, podId, pid, ...where }
    }
    default:
      return undefined
  }
}
