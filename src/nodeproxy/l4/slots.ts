/**
 * Pair slots of one worker: each direction of a paired connection needs one. A slot that was just
 * given back is used last, so that a late write of the kernel's side for its former owner meets
 * nobody.
 */
export interface SlotPool {
  take(): readonly [number, number] | undefined
  giveBack(slots: readonly [number, number]): void
  readonly free: number
}

/** @param inUse slots that are somebody else's and never given out */
export function createSlotPool(
  first: number,
  count: number,
  inUse: readonly number[] = [],
): SlotPool {
  const taken = new Set(inUse)
  const all = Array.from({ length: Math.floor(count / 2) }, (_, index) => first + index * 2)
  // A ring of pair numbers: taken at the head, given back at the tail.
  const ring = Int32Array.from(all.filter((slot) => !taken.has(slot) && !taken.has(slot + 1)))
  const pairs = ring.length
  let head = 0
  let free = pairs
  return {
    take() {
      if (free === 0) return undefined
      const slot = ring[head] ?? 0
      head = (head + 1) % pairs
      free -= 1
      return [slot, slot + 1]
    },
    giveBack([slot]) {
      ring[(head + free) % pairs] = slot
      free += 1
    },
    get free() {
      return free
    },
  }
}
