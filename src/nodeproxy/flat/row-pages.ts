import { type Row, rowWords } from './row.ts'

/** Rows by number, in pages: a page more does not move the others. */
export interface RowPages {
  at(number: number): Row
  /** Four words, of zeros where nobody has put an address. */
  ipv6(number: number): ArrayLike<number>
  /** The same, to be written. */
  ipv6ToFill(number: number): Int32Array
  take(): number
  free(number: number): void
  used(): Iterable<number>
  readonly size: number
}

const pageRows = 256
const ipv6Words = 4
const noIpv6 = new Int32Array(ipv6Words)

function part(page: Int32Array, number: number, words: number): Int32Array {
  const begin = (number % pageRows) * words
  return page.subarray(begin, begin + words)
}

export function createRowPages(): RowPages {
  const pages: Int32Array[] = []
  /** Made where a row of a page has one. */
  const ipv6Pages: (Int32Array | undefined)[] = []
  const freed: number[] = []
  let made = 0
  let size = 0
  const pageOf = (number: number) => Math.floor(number / pageRows)
  const at = (number: number) => part(pages[pageOf(number)] ?? noIpv6, number, rowWords)
  return {
    at,
    ipv6(number) {
      const page = ipv6Pages[pageOf(number)]
      return page === undefined ? noIpv6 : part(page, number, ipv6Words)
    },
    ipv6ToFill(number) {
      const page = ipv6Pages[pageOf(number)] ?? new Int32Array(pageRows * ipv6Words)
      ipv6Pages[pageOf(number)] = page
      return part(page, number, ipv6Words)
    },
    take() {
      size += 1
      const again = freed.pop()
      if (again !== undefined) return again
      if (made % pageRows === 0) pages.push(new Int32Array(pageRows * rowWords))
      made += 1
      return made - 1
    },
    free(number) {
      size -= 1
      at(number).fill(0)
      freed.push(number)
    },
    *used() {
      const gone = new Set(freed)
      for (let number = 0; number < made; number += 1) if (!gone.has(number)) yield number
    },
    get size() {
      return size
    },
  }
}
