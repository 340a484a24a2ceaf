import { RING_HEADER_WORDS } from './protocol.ts'

/** A ring of int32 words shared with the reactor; native/reactor/protocol.h has the layout. */
export interface Ring {
  readonly buffer: ArrayBuffer
  readonly words: Int32Array
  readonly capacityWords: number
}

/** Where the counters stand. Both count words since the start, modulo 2^32. */
export const RingHeader = { head: 0, tail: 1, capacity: 2 } as const

const leastWords = 128

/** @throws RangeError when the capacity is no power of two of at least 128 */
export function createRing(capacityWords: number): Ring {
  if (capacityWords < leastWords || (capacityWords & (capacityWords - 1)) !== 0) {
    throw new RangeError(
      `ring of ${capacityWords} words: the capacity ` +
        `must be a power of two of at least ${leastWords}`,
    )
  }
  const buffer = new ArrayBuffer((RING_HEADER_WORDS + capacityWords) * Int32Array.BYTES_PER_ELEMENT)
  const words = new Int32Array(buffer)
  words[RingHeader.capacity] = capacityWords
  return { buffer, words, capacityWords }
}

/** Words between head and tail. */
export function usedWords(words: Int32Array): number {
  return ((words[RingHeader.tail] ?? 0) - (words[RingHeader.head] ?? 0)) >>> 0
}
