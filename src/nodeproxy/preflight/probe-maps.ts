import type { Native } from '../native.ts'

/** bpf/probe/probe.h, enum probe_slot, in its order. */
export const probeSlots = [
  'connect4',
  'connect6',
  'getpeername4',
  'getpeername6',
  'setsockopt',
  'sockopsConnect',
  'sockopsActive',
  'sockopsPassive',
  'sockhash',
  'skLookup',
  'skLookupEarly',
  'skMsg',
  'splice',
  'fcntl',
  'ioctl',
] as const

export type ProbeSlot = (typeof probeSlots)[number]

export interface Seen {
  readonly hits: number
  /** Of the network namespace that the program was asked from; for `sockhash`, an errno. */
  readonly netnsCookie: bigint
}

export interface ProbeConfig {
  readonly cgroupId: bigint
  /** 16 bytes, IPv4 in the last four. */
  readonly target: Uint8Array
  readonly servicePort: number
  readonly targetPort: number
}

const SEEN_BYTES = 16
const CONFIG_BYTES = 32
const QUERY_BYTES = 16
const only = u32(0)

/** What a probe's program has noted since the last forget(). */
export function readSeen(native: Native, seenFd: number, slot: ProbeSlot): Seen {
  const value = new Uint8Array(SEEN_BYTES)
  must('read probe_seen', native.bpfMapLookup(seenFd, u32(probeSlots.indexOf(slot)), value))
  const view = new DataView(value.buffer)
  return { hits: Number(view.getBigUint64(0, true)), netnsCookie: view.getBigUint64(8, true) }
}

export function forget(native: Native, seenFd: number, slot: ProbeSlot): void {
  const zero = new Uint8Array(SEEN_BYTES)
  must('clear probe_seen', native.bpfMapUpdate(seenFd, u32(probeSlots.indexOf(slot)), zero, 0))
}

export function writeConfig(native: Native, configFd: number, config: ProbeConfig): void {
  const value = new Uint8Array(CONFIG_BYTES)
  const view = new DataView(value.buffer)
  view.setBigUint64(0, config.cgroupId, true)
  value.set(config.target, 8)
  view.setUint32(24, config.servicePort, true)
  view.setUint32(28, config.targetPort, true)
  must('write probe_config', native.bpfMapUpdate(configFd, only, value, 0))
}

/**
 * Bytes that wait in the receive queue of the socket with these ports; undefined when it is not
 * known.
 */
export function queuedBytes(
  native: Native,
  programFd: number,
  socket: { localPort: number; remotePort: number },
): number | undefined {
  const context = new Uint8Array(QUERY_BYTES)
  const view = new DataView(context.buffer)
  view.setUint32(0, socket.localPort, true)
  view.setUint32(4, socket.remotePort, true)
  native.bpfProgRun(programFd, context)
  return view.getUint32(8, true) === 1 ? view.getUint32(12, true) : undefined
}

/** Puts a listener where the sk_lookup probe finds it. */
export function writeListener(native: Native, listenerMapFd: number, socketFd: number): void {
  const value = new Uint8Array(8)
  new DataView(value.buffer).setBigUint64(0, BigInt(socketFd), true)
  must('put the listener into its map', native.bpfMapUpdate(listenerMapFd, only, value, 0))
}

/** 16 bytes of an address as probe_config holds it; only the forms that the probes use. */
export function addressBytes(address: string): Uint8Array {
  const bytes = new Uint8Array(16)
  if (address.includes('.')) {
    bytes.set(address.split('.').map(Number), 12)
    return bytes
  }
  const [head = '', tail = ''] = address.split('::')
  const words = (text: string): number[] =>
    text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))
  const view = new DataView(bytes.buffer)
  words(head).forEach((word, index) => {
    view.setUint16(index * 2, word)
  })
  words(tail).forEach((word, index, all) => {
    view.setUint16((8 - all.length + index) * 2, word)
  })
  return bytes
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value, true)
  return bytes
}

function must(operation: string, result: number): void {
  if (result < 0) throw new Error(`preflight cannot ${operation}: errno ${-result}`)
}
