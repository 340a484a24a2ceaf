/**
 * Finds entries, which are numbers, by hash: four bytes a place in one typed array, and no object
 * an entry. What an entry stands for is its owner's.
 */
export interface NumberIndex {
  /** The first entry with this hash that is meant. */
  find(hash: number, isMeant: (entry: number) => boolean): number | undefined
  /** @param entry not in it */
  add(hash: number, entry: number): void
  remove(hash: number, entry: number): void
}

const empty = 0
/** Somebody was here: who looks further must not stop. */
const left = 1
const firstEntry = 2
const smallest = 64

/** @param hashOf of an entry that is in it, for when it grows */
export function createNumberIndex(hashOf: (entry: number) => number): NumberIndex {
  let places = new Uint32Array(smallest)
  let entries = 0
  /** With places that were left. */
  let taken = 0

  function seek(hash: number, isMeant: (place: number) => boolean): number {
    const mask = places.length - 1
    let at = hash & mask
    while (!isMeant(places[at] ?? empty)) at = (at + 1) & mask
    return at
  }

  function rebuild(): void {
    const before = places
    let length = smallest
    while (length < entries * 2) length *= 2
    places = new Uint32Array(length)
    taken = entries
    for (const place of before) {
      if (place < firstEntry) continue
      places[seek(hashOf(place - firstEntry), (found) => found === empty)] = place
    }
  }

  return {
    find(hash, isMeant) {
      const at = seek(
        hash,
        (place) => place === empty || (place !== left && isMeant(place - firstEntry)),
      )
      const place = places[at] ?? empty
      return place === empty ? undefined : place - firstEntry
    },
    add(hash, entry) {
      // Three in four at most.
      if ((taken + 1) * 4 > places.length * 3) rebuild()
      const at = seek(hash, (place) => place < firstEntry)
      if (places[at] === empty) taken += 1
      places[at] = entry + firstEntry
      entries += 1
    },
    remove(hash, entry) {
      const wanted = entry + firstEntry
      const at = seek(hash, (place) => place === wanted || place === empty)
      if (places[at] !== wanted) return
      places[at] = left
      entries -= 1
    },
  }
}

/** FNV-1a, with all bits good. */
export function hashOfText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return mixed(hash)
}

/** Of an address. */
export function hashOfWords({ 0: a = 0, 1: b = 0, 2: c = 0, 3: d = 0 }: ArrayLike<number>): number {
  return mixed(d ^ mixed(c ^ mixed(b ^ mixed(a))))
}

/** murmur3's finaliser. */
function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
