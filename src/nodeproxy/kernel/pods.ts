import {
  directions,
  forgetLayout,
  listenerKeyLayout,
  podFlags,
  podHabits,
  podLayout,
} from './abi.ts'
import { exists, failed, must, mustBeGone } from './errors.ts'
import type { PodEndpoints, PodEnrolment, RemovalReason } from './kernel.ts'
import { addressBytes, decode, decodeAll, encode, u64Bytes, type Value } from './layout.ts'
import type { MapFds } from './maps.ts'
import { requireProgram } from './load.ts'
import { attachLookup, detachLookup, type LookupContext } from './lookups.ts'
import { createUndo, type Undo } from './undo.ts'

const onlyIfAbsent = 1 // BPF_NOEXIST

type PodEntry = Value<typeof podLayout>

export interface PodContext extends LookupContext {
  readonly maps: MapFds
}

/**
 * The order of writes is what keeps connections whole: what is referred to comes before what refers
 * to it.
 *
 *   listeners -> pods_by_addr -> sk_lookup link -> pods_by_netns
 *
 * so that a connect that is intercepted always finds its way; removal goes the other way round.
 */
export function enrolPod(context: PodContext, pod: PodEnrolment): void {
  const wanted = entryOf(pod)
  requireListeners(pod)
  const before = findPod(context, pod.netnsCookie)
  const undo = createUndo()
  try {
    for (const address of addressesOf(wanted)) takeAddress(context, address, pod.netnsCookie)
    putListeners(context, pod, undo)
    for (const address of addressesOf(wanted)) putAddress(context, address, wanted, undo)
    attachLookup(context, pod.netnsCookie, pod.netnsFd, undo)
    makeHabits(context, pod.netnsCookie, undo)
    putNetns(context, wanted)
  } catch (error) {
    undo.run()
    const name = `pod ${pod.podId} (${addressesOf(wanted).join(', ')})`
    throw failed(`enrol ${name}`, error)
  }
  for (const address of before === undefined ? [] : addressesOf(before)) {
    if (!addressesOf(wanted).includes(address)) dropAddress(context, address, pod.netnsCookie)
  }
}

export function excludeNetns(context: PodContext, netnsCookie: bigint): void {
  const before = findPod(context, netnsCookie)
  if (before !== undefined && (before.flags & podFlags.enrolled) !== 0) {
    removePod(context, netnsCookie, 'left')
    return
  }
  putNetns(context, outsider(netnsCookie))
}

export function removePod(context: PodContext, netnsCookie: bigint, reason: RemovalReason): void {
  const before = findPod(context, netnsCookie)
  if (reason === 'left') {
    putNetns(context, outsider(netnsCookie))
  } else {
    const gone = context.native.bpfMapDelete(context.maps.pods_by_netns, u64Bytes(netnsCookie))
    mustBeGone('forget a netns', gone)
  }
  detachLookup(context, netnsCookie)
  for (const address of before === undefined ? [] : addressesOf(before)) {
    dropAddress(context, address, netnsCookie)
  }
  if (reason === 'ended') forget(context, { forgetNetnsCookie: netnsCookie })
}

/** All pods in the kernel's map, enrolled or excluded. */
export function listPods(context: PodContext): PodEntry[] {
  const { values, count } = context.native.bpfMapDump(context.maps.pods_by_netns)
  return decodeAll(podLayout, values, count)
}

export function isEnrolled(pod: PodEntry): boolean {
  return (pod.flags & podFlags.enrolled) !== 0
}

function entryOf(pod: PodEnrolment): PodEntry {
  const acceleration = { off: 0, auto: podFlags.accelAuto, full: podFlags.accelFull }[
    pod.accelerate
  ]
  const closed = pod.failClosed ? podFlags.failClosed : 0
  return {
    netnsCookie: pod.netnsCookie,
    ipv4: pod.ipv4 ?? '',
    ipv6: pod.ipv6 ?? '',
    flags: podFlags.enrolled | closed | acceleration,
    podId: pod.podId,
  }
}

function outsider(netnsCookie: bigint): PodEntry {
  return { netnsCookie, ipv4: '', ipv6: '', flags: 0, podId: 0 }
}

function addressesOf(pod: PodEntry): string[] {
  return [pod.ipv4, pod.ipv6].filter((address) => address !== '')
}

function requireListeners(pod: PodEnrolment): void {
  const { outbound4, inbound4, outbound6, inbound6 } = pod.listeners
  const missing = [
    ...(pod.ipv4 !== undefined && (outbound4 === undefined || inbound4 === undefined)
      ? ['IPv4']
      : []),
    ...(pod.ipv6 !== undefined && (outbound6 === undefined || inbound6 === undefined)
      ? ['IPv6']
      : []),
  ]
  if (pod.ipv4 === undefined && pod.ipv6 === undefined) {
    throw new Error(`cannot enrol pod ${pod.podId}: it has no address yet`)
  }
  if (missing.length > 0) {
    const families = missing.join(' and ')
    throw new Error(`cannot enrol pod ${pod.podId}: no listener for its ${families} address`)
  }
}

function findPod({ native, maps }: PodContext, netnsCookie: bigint): PodEntry | undefined {
  const bytes = new Uint8Array(podLayout.bytes)
  const found = native.bpfMapLookup(maps.pods_by_netns, u64Bytes(netnsCookie), bytes)
  return found === 0 ? decode(podLayout, bytes) : undefined
}

function ownerOf({ native, maps }: PodContext, address: string): bigint | undefined {
  const bytes = new Uint8Array(podLayout.bytes)
  const found = native.bpfMapLookup(maps.pods_by_addr, addressBytes(address), bytes)
  return found === 0 ? decode(podLayout, bytes).netnsCookie : undefined
}

/** An address that comes to another pod must not bring along what its last one left. */
function takeAddress(context: PodContext, address: string, netnsCookie: bigint): void {
  const owner = ownerOf(context, address)
  if (owner === netnsCookie) return
  if (owner !== undefined) removePod(context, owner, 'ended')
  forget(context, { addr: address, keepNetnsCookie: netnsCookie })
}

function forget(context: PodContext, what: Partial<Value<typeof forgetLayout>>): void {
  const nothing = { removedOrigins: 0, removedBypasses: 0, removedSocks: 0, removedHabits: 0 }
  const whom = { addr: '', keepNetnsCookie: 0n, forgetNetnsCookie: 0n }
  const request = encode(forgetLayout, { ...nothing, ...whom, ...what })
  context.native.bpfProgRun(requireProgram(context.loaded, 'forget_address'), request)
}

function listenerKey(address: string, direction: keyof typeof directions): Uint8Array {
  return encode(listenerKeyLayout, { addr: address, direction: directions[direction] })
}

/** What stands in the map of listeners for this pod. */
function listenerEntries({ ipv4, ipv6, listeners }: PodEndpoints) {
  const entry = (
    address: string | undefined,
    direction: keyof typeof directions,
    fd: number | undefined,
  ) =>
    address === undefined || fd === undefined
      ? []
      : [{ address, direction, fd, key: listenerKey(address, direction) }]
  return [
    ...entry(ipv4, 'outbound', listeners.outbound4),
    ...entry(ipv4, 'inbound', listeners.inbound4),
    ...entry(ipv6, 'outbound', listeners.outbound6),
    ...entry(ipv6, 'inbound', listeners.inbound6),
  ]
}

/** To user space a sockhash tells its sockets' cookies. */
export function isSteeredTo({ native, maps }: PodContext, pod: PodEndpoints): boolean {
  const cookie = new BigUint64Array(1)
  const bytes = new Uint8Array(cookie.buffer)
  return listenerEntries(pod).every(
    ({ key, fd }) =>
      native.bpfMapLookup(maps.listeners, key, bytes) === 0 &&
      cookie[0] === native.socketCookie(fd),
  )
}

function putListeners(context: PodContext, pod: PodEnrolment, undo: Undo): void {
  const { native, maps } = context
  for (const { address, direction, fd, key } of listenerEntries(pod)) {
    must(
      `register the ${direction} listener of ${address}`,
      native.bpfMapUpdate(maps.listeners, key, u64Bytes(BigInt(fd)), 0),
    )
    if (ownerOf(context, address) !== pod.netnsCookie) {
      undo.add(() => native.bpfMapDelete(maps.listeners, key))
    }
  }
}

function putAddress(context: PodContext, address: string, pod: PodEntry, undo: Undo): void {
  const { native, maps } = context
  const key = addressBytes(address)
  const before = new Uint8Array(podLayout.bytes)
  const had = native.bpfMapLookup(maps.pods_by_addr, key, before) === 0
  const entry = encode(podLayout, pod)
  must(`register address ${address}`, native.bpfMapUpdate(maps.pods_by_addr, key, entry, 0))
  undo.add(() => {
    if (had) native.bpfMapUpdate(maps.pods_by_addr, key, before, 0)
    else native.bpfMapDelete(maps.pods_by_addr, key)
  })
}

/** What is known of the pod's programs outlives changes of how it is enrolled. */
function makeHabits({ native, maps }: PodContext, netnsCookie: bigint, undo: Undo): void {
  const key = u64Bytes(netnsCookie)
  const none = new Uint8Array(podHabits.bytes)
  const made = native.bpfMapUpdate(maps.pod_habits, key, none, onlyIfAbsent)
  if (made === exists) return
  must("make room for the pod's habits", made)
  undo.add(() => native.bpfMapDelete(maps.pod_habits, key))
}

/** Nothing of an address that has gone to another pod meanwhile. */
function dropAddress(context: PodContext, address: string, netnsCookie: bigint): void {
  if (ownerOf(context, address) !== netnsCookie) return
  const { native, maps } = context
  const gone = native.bpfMapDelete(maps.pods_by_addr, addressBytes(address))
  mustBeGone(`forget address ${address}`, gone)
  for (const direction of ['inbound', 'outbound'] as const) {
    const removed = native.bpfMapDelete(maps.listeners, listenerKey(address, direction))
    mustBeGone(`forget the ${direction} listener of ${address}`, removed)
  }
}

function putNetns({ native, maps }: PodContext, pod: PodEntry): void {
  const key = u64Bytes(pod.netnsCookie)
  must('register a netns', native.bpfMapUpdate(maps.pods_by_netns, key, encode(podLayout, pod), 0))
}
