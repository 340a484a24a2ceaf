import type { Native } from '../native.ts'
import { claimLayout, generationCount, pairLayout } from './abi.ts'
import { exists, must, mustBeGone } from './errors.ts'
import { decode, decodeAll, encode, u32Bytes, u64Bytes } from './layout.ts'
import type { MapFds } from './maps.ts'

/** Longer without a beat than this, and a generation's slot is free: its proxy is not only slow. */
const abandonedNs = 30_000_000_000n
/** As long as the hooks believe in a beat, where its process is gone. */
const deadNs = 500_000_000n

const onlyIfAbsent = 1 // BPF_NOEXIST

export interface Claim {
  readonly generation: number
  release(): void
}

/**
 * Takes a generation slot for this process and tells the hooks that `cgroupId` is the proxy's. A
 * slot whose pairs still live (the keeper serves them) is taken last, and then loses them: their
 * bytes go by the keeper.
 *
 * @throws Error when all slots belong to proxies that are alive
 */
export function claimGeneration(native: Native, maps: MapFds, cgroupId: bigint): Claim {
  const paired = pairedGenerations(native, maps)
  const slots = Array.from({ length: generationCount }, (_, slot) => slot)
  const order = [...slots.filter((slot) => !paired.has(slot)), ...paired]
  const generation = order.find((slot) => take(native, maps, slot, cgroupId))
  if (generation === undefined) {
    throw new Error(
      `cannot start another proxy: all ${generationCount} generations of this node are alive; ` +
        'end an old one first',
    )
  }
  forgetPairs(native, maps, generation)
  const own = u32Bytes(generation)
  must('make the proxy known', native.bpfMapUpdate(maps.proxy_cgroups, u64Bytes(cgroupId), own, 0))
  return { generation, release: () => release(native, maps, generation, cgroupId) }
}

function take(native: Native, maps: MapFds, slot: number, cgroupId: bigint): boolean {
  const key = u32Bytes(slot)
  const now = native.clockMonotonicNs()
  const pid = process.pid
  const claim = encode(claimLayout, { claimedNs: now, cgroupId, pid, reserved: 0 })
  const write = (): number => native.bpfMapUpdate(maps.generation_claims, key, claim, onlyIfAbsent)
  let result = write()
  if (result === exists && isAbandoned(native, maps, slot, now)) {
    // Two starters may both get here: one of them will find the other's claim.
    native.bpfMapDelete(maps.generation_claims, key)
    result = write()
  }
  if (result === exists) return false
  must(`claim generation ${slot}`, result)
  return true
}

function isAbandoned(native: Native, maps: MapFds, slot: number, nowNs: bigint): boolean {
  const bytes = new Uint8Array(claimLayout.bytes)
  if (native.bpfMapLookup(maps.generation_claims, u32Bytes(slot), bytes) < 0) return true
  const { claimedNs, pid } = decode(claimLayout, bytes)
  const beatNs = Atomics.load(beats(native, maps), slot)
  const lastNs = beatNs > claimedNs ? beatNs : claimedNs
  return nowNs - lastNs > (processExists(pid) ? abandonedNs : deadNs)
}

/** Proxies see the node's processes, by which they find pods, so their numbers mean the same. */
function processExists(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as { code?: string }).code !== 'ESRCH'
  }
}

/** Whether another proxy than that of `generation` is running. */
export function isAccompanied(native: Native, maps: MapFds, generation: number): boolean {
  const { keys, values, count } = native.bpfMapDump(maps.generation_claims)
  const slots = new DataView(keys.buffer, keys.byteOffset, keys.byteLength)
  return decodeAll(claimLayout, values, count).some(
    ({ pid }, entry) => slots.getUint32(entry * 4, true) !== generation && processExists(pid),
  )
}

/** The beats as memory: other generations' threads write their own words of it meanwhile. */
function beats(native: Native, maps: MapFds): BigUint64Array {
  return new BigUint64Array(native.bpfMapMmap(maps.generations), 0, generationCount)
}

function pairedGenerations(native: Native, maps: MapFds): Set<number> {
  const { values, count } = native.bpfMapDump(maps.pairs)
  return new Set(decodeAll(pairLayout, values, count).map(({ generation }) => generation))
}

function forgetPairs(native: Native, maps: MapFds, generation: number): void {
  const { keys, values, count } = native.bpfMapDump(maps.pairs)
  decodeAll(pairLayout, values, count).forEach((pair, index) => {
    if (pair.generation !== generation) return
    const key = keys.slice(index * 8, index * 8 + 8)
    mustBeGone('forget an abandoned pair', native.bpfMapDelete(maps.pairs, key))
  })
}

/** Only what is this generation's: another one may run in the same cgroup, before or after it. */
function release(native: Native, maps: MapFds, generation: number, cgroupId: bigint): void {
  Atomics.store(beats(native, maps), generation, 0n)
  const gone = native.bpfMapDelete(maps.generation_claims, u32Bytes(generation))
  mustBeGone(`give generation ${generation} back`, gone)
  const owner = new Uint8Array(4)
  const found = native.bpfMapLookup(maps.proxy_cgroups, u64Bytes(cgroupId), owner)
  if (found < 0 || new DataView(owner.buffer).getUint32(0, true) !== generation) return
  const heir = generationIn(native, maps, cgroupId)
  const key = u64Bytes(cgroupId)
  if (heir === undefined) {
    mustBeGone('forget the proxy', native.bpfMapDelete(maps.proxy_cgroups, key))
  } else {
    must('leave the cgroup', native.bpfMapUpdate(maps.proxy_cgroups, key, u32Bytes(heir), 0))
  }
}

/** Another generation that lives in this cgroup. */
function generationIn(native: Native, maps: MapFds, cgroupId: bigint): number | undefined {
  const { keys, values, count } = native.bpfMapDump(maps.generation_claims)
  const slots = new DataView(keys.buffer, keys.byteOffset, keys.byteLength)
  const now = native.clockMonotonicNs()
  const index = decodeAll(claimLayout, values, count).findIndex(
    (claim, entry) =>
      claim.cgroupId === cgroupId &&
      !isAbandoned(native, maps, slots.getUint32(entry * 4, true), now),
  )
  return index < 0 ? undefined : slots.getUint32(index * 4, true)
}
