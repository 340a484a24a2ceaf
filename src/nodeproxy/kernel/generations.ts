import type { Native } from '../native.ts'
import { claimLayout, generationCount, pairLayout } from './abi.ts'
import { exists, must, mustBeGone } from './errors.ts'
import { decode, decodeAll, encode, u32Bytes, u64Bytes } from './layout.ts'
import type { MapFds } from './maps.ts'
import { withNodeLock } from './node-lock.ts'

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
export function claimGeneration(native: Native, node: ClaimedNode, cgroupId: bigint): Claim {
  const { directory, maps } = node
  const claim = withNodeLock(native, directory, () => takeSlot(native, maps, cgroupId))
  return { generation: claim.generation, release: () => release(native, maps, claim) }
}

interface ClaimedNode {
  /** The node's pins, whose lock keeps two starters apart. */
  readonly directory: string
  readonly maps: MapFds
}

/** A slot, by who has it. */
interface Slot {
  readonly generation: number
  readonly cgroupId: bigint
  readonly claimedNs: bigint
}

function takeSlot(native: Native, maps: MapFds, cgroupId: bigint): Slot {
  const paired = pairedGenerations(native, maps)
  const slots = Array.from({ length: generationCount }, (_, slot) => slot)
  const order = [...slots.filter((slot) => !paired.has(slot)), ...paired]
  const claimedNs = native.clockMonotonicNs()
  const generation = order.find((slot) =>
    take(native, maps, { generation: slot, cgroupId, claimedNs }),
  )
  if (generation === undefined) {
    throw new Error(
      `cannot start another proxy: all ${generationCount} generations of this node are alive; ` +
        'end an old one first',
    )
  }
  forgetPairs(native, maps, generation)
  const own = u32Bytes(generation)
  must('make the proxy known', native.bpfMapUpdate(maps.proxy_cgroups, u64Bytes(cgroupId), own, 0))
  return { generation, cgroupId, claimedNs }
}

function take(native: Native, maps: MapFds, slot: Slot): boolean {
  const { generation, cgroupId, claimedNs } = slot
  const key = u32Bytes(generation)
  const claim = encode(claimLayout, { claimedNs, cgroupId, pid: process.pid, reserved: 0 })
  const write = (): number => native.bpfMapUpdate(maps.generation_claims, key, claim, onlyIfAbsent)
  let result = write()
  if (result === exists && isAbandoned(native, maps, generation, claimedNs)) {
    native.bpfMapDelete(maps.generation_claims, key)
    result = write()
  }
  if (result === exists) return false
  must(`claim generation ${generation}`, result)
  return true
}

function claimOf(native: Native, maps: MapFds, slot: number) {
  const bytes = new Uint8Array(claimLayout.bytes)
  const found = native.bpfMapLookup(maps.generation_claims, u32Bytes(slot), bytes) === 0
  return found ? decode(claimLayout, bytes) : undefined
}

function isAbandoned(native: Native, maps: MapFds, slot: number, nowNs: bigint): boolean {
  const claim = claimOf(native, maps, slot)
  if (claim === undefined) return true
  const { claimedNs, pid } = claim
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
function release(native: Native, maps: MapFds, slot: Slot): void {
  const { generation, cgroupId, claimedNs } = slot
  const claim = claimOf(native, maps, generation)
  // It stood still for so long that another one has the slot.
  if (claim !== undefined && (claim.pid !== process.pid || claim.claimedNs !== claimedNs)) return
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
