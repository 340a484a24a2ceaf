/**
 * Addresses as the rings carry them: four int32 words that hold the 16 bytes in memory order, IPv4
 * as v4-mapped IPv6. Text is canonical (RFC 5952), so equal addresses are equal strings.
 */
export type AddressWords = readonly [number, number, number, number]

/**
 * The bytes 00 00 ff ff, read as a little-endian word: the third word of every v4-mapped address.
 */
const mappedWord = 0xffff0000 | 0

export function isMappedIpv4(words: ArrayLike<number>, offset = 0): boolean {
  return words[offset] === 0 && words[offset + 1] === 0 && words[offset + 2] === mappedWord
}

/** @param word an IPv4 address, its bytes in memory order */
export function mappedIpv4(word: number): AddressWords {
  return [0, 0, mappedWord, word]
}

/** @throws RangeError when the text is neither an IPv4 nor an IPv6 address */
export function wordsOf(text: string): AddressWords {
  if (!text.includes(':')) return mappedIpv4(wordOfIpv4(text))
  const groups = groupsOf(text)
  const word = (index: number): number =>
    swapped(groups[index] ?? 0) | (swapped(groups[index + 1] ?? 0) << 16)
  return [word(0), word(2), word(4), word(6)]
}

export function textOf(words: ArrayLike<number>, offset = 0): string {
  if (isMappedIpv4(words, offset)) return textOfIpv4(words[offset + 3] ?? 0)
  const groups: number[] = []
  for (let index = 0; index < 4; index += 1) {
    const word = words[offset + index] ?? 0
    groups.push(swapped(word & 0xffff), swapped(word >>> 16))
  }
  return textOfGroups(groups)
}

const ipv4Texts = new Map<number, string>()
const maxIpv4Texts = 4_096

/** The same few addresses come again and again: each has one string, which connections share. */
function textOfIpv4(word: number): string {
  const known = ipv4Texts.get(word)
  if (known !== undefined) return known
  if (ipv4Texts.size >= maxIpv4Texts) ipv4Texts.clear()
  const text = `${word & 255}.${(word >>> 8) & 255}.${(word >>> 16) & 255}.${word >>> 24}`
  ipv4Texts.set(word, text)
  return text
}

function swapped(group: number): number {
  return ((group & 0xff) << 8) | (group >>> 8)
}

const dot = 46
const zero = 48

/** Character by character: three addresses a connection go through here. */
function wordOfIpv4(text: string): number {
  let word = 0
  let byte = -1
  let shift = 0
  for (let index = 0; index <= text.length; index += 1) {
    const code = index === text.length ? dot : text.charCodeAt(index)
    if (code === dot) {
      if (byte < 0 || byte > 255 || shift > 24) throw notAnAddress(text)
      word |= byte << shift
      shift += 8
      byte = -1
    } else {
      const digit = code - zero
      if (digit < 0 || digit > 9) throw notAnAddress(text)
      byte = (byte < 0 ? 0 : byte * 10) + digit
    }
  }
  if (shift !== 32) throw notAnAddress(text)
  return word
}

function groupsOf(text: string): readonly number[] {
  const [head = '', tail, ...more] = text.split('::')
  if (more.length > 0) throw notAnAddress(text)
  const before = parseGroups(head, text)
  if (tail === undefined) {
    if (before.length !== 8) throw notAnAddress(text)
    return before
  }
  const after = parseGroups(tail, text)
  const missing = 8 - before.length - after.length
  if (missing < 1) throw notAnAddress(text)
  return [...before, ...Array.from({ length: missing }, () => 0), ...after]
}

function parseGroups(part: string, text: string): readonly number[] {
  if (part === '') return []
  return part.split(':').flatMap((group, index, all) => {
    if (group.includes('.') && index === all.length - 1) {
      const word = wordOfIpv4(group)
      return [swapped(word & 0xffff), swapped(word >>> 16)]
    }
    if (!/^[0-9a-f]{1,4}$/iu.test(group)) throw notAnAddress(text)
    return [Number.parseInt(group, 16)]
  })
}

/** The first of the longest runs of two or more zero groups becomes `::`. */
function textOfGroups(groups: readonly number[]): string {
  let best = { start: -1, length: 1 }
  let start = 0
  for (let index = 0; index <= groups.length; index += 1) {
    if (groups[index] === 0) continue
    if (index - start > best.length) best = { start, length: index - start }
    start = index + 1
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  if (best.start < 0) return hex(groups)
  return `${hex(groups.slice(0, best.start))}::${hex(groups.slice(best.start + best.length))}`
}

function notAnAddress(text: string): RangeError {
  return new RangeError(`'${text}' is not an IP address`)
}
