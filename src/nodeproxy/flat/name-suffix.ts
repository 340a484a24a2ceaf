/** What pods of one ReplicaSet, Job or StatefulSet do not share of their names. */
export const maxSuffixBytes = 8

/**
 * Where a uid's own part begins: behind the last dash, where that is short and plain; at the end
 * where it has none.
 * @param name of the same workload, which must end alike; the uid again where it is not known
 */
export function suffixStart(uid: string, name: string): number {
  const start = uid.lastIndexOf('-') + 1
  const length = uid.length - start
  if (start === 0 || length === 0 || length > maxSuffixBytes || length > name.length) {
    return uid.length
  }
  for (let back = 1; back <= length; back += 1) {
    const code = uid.charCodeAt(uid.length - back)
    if (code !== name.charCodeAt(name.length - back) || !isPlain(code)) return uid.length
  }
  return start
}

const slash = 47

function isPlain(code: number): boolean {
  return code > 0 && code < 128 && code !== slash
}

type Words = Int32Array | number[]

/** Into two words, in the order of its characters. */
export function putSuffix(words: Words, at: number, suffix: string): void {
  words[at] = wordOf(suffix, 0)
  words[at + 1] = wordOf(suffix, 4)
}

function wordOf(text: string, first: number): number {
  let word = 0
  const last = Math.min(text.length, first + 4)
  for (let index = first; index < last; index += 1) {
    word |= text.charCodeAt(index) << ((index - first) * 8)
  }
  return word
}

export function suffixAt(words: ArrayLike<number>, at: number, length: number): string {
  let text = ''
  for (let index = 0; index < length; index += 1) {
    const word = words[at + (index >> 2)] ?? 0
    text += String.fromCharCode((word >>> ((index & 3) * 8)) & 127)
  }
  return text
}
