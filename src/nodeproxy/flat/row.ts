// A workload's row: eight words in a page of many, and four more where it has an IPv6 address.
import { familyOf } from '../../model/ip.ts'
import type { NetworkAddress } from '../../model/resources.ts'
import { mappedIpv4, textOf, wordsOf } from '../l4/address.ts'
import { putSuffix } from './name-suffix.ts'

export type Row = Int32Array

/** Where it runs; kept as text. */
export type Place = readonly [node: string, region: string, zone: string, subzone: string]

export const profileWord = 0
export const placeWord = 1
export const suffixWord = 2
export const ipv4Word = 4
/** Nine bytes; the rest of the last of these words is the flags. */
const versionWord = 5
const flagsWord = 7
export const rowWords = 8

export const flags = {
  ready: 1 << 8,
  ipv4: 1 << 9,
  ipv6: 1 << 10,
  ipv6First: 1 << 11,
  version: 1 << 12,
} as const
const suffixShift = 16

export function hasFlag(words: Row, flag: number): boolean {
  return ((words[flagsWord] ?? 0) & flag) !== 0
}

export function suffixLength(words: Row): number {
  return (words[flagsWord] ?? 0) >>> suffixShift
}

export interface Filling {
  readonly profile: number
  readonly place: number
  readonly suffix: string
  readonly ready: boolean
  /** At most one a family. */
  readonly addresses: readonly NetworkAddress[]
  readonly version: string
}

/** @param ipv6 gives the four words of an IPv6 address, when there is one */
export function fill(words: Row, filling: Filling, ipv6: () => Int32Array): void {
  const { profile, place, suffix, ready, addresses, version } = filling
  words.fill(0)
  words[profileWord] = profile
  words[placeWord] = place
  putSuffix(words, suffixWord, suffix)
  let bits = (suffix.length << suffixShift) | (ready ? flags.ready : 0)
  if (versionForm.test(version)) {
    versionOfRow(words).write(version, 'base64url')
    bits |= flags.version
  }
  for (const [index, { ip }] of addresses.entries()) {
    const address = wordsOf(ip)
    if (familyOf(ip) === 'ipv4') {
      words[ipv4Word] = address[3]
      bits |= flags.ipv4
    } else {
      ipv6().set(address)
      bits |= flags.ipv6 | (index === 0 ? flags.ipv6First : 0)
    }
  }
  words[flagsWord] = (words[flagsWord] ?? 0) | bits
}

const versionBytes = 9
const versionForm = /^[\w-]{12}$/

/** Empty where it has none, or one of another form than ours. */
export function versionOf(words: Row): string {
  return hasFlag(words, flags.version) ? versionOfRow(words).toString('base64url') : ''
}

function versionOfRow(words: Row): Buffer {
  return Buffer.from(words.buffer, words.byteOffset + versionWord * 4, versionBytes)
}

/** @param ipv6 four words */
export function addressesOf(
  words: Row,
  ipv6: ArrayLike<number>,
  network: string,
): readonly NetworkAddress[] {
  const all: NetworkAddress[] = []
  if (hasFlag(words, flags.ipv4)) {
    all.push({ network, ip: textOf(mappedIpv4(words[ipv4Word] ?? 0)) })
  }
  if (hasFlag(words, flags.ipv6)) all.push({ network, ip: textOf(ipv6) })
  return hasFlag(words, flags.ipv6First) ? all.reverse() : all
}

/** The network of addresses that fit into a row: one a family, all of one network. */
export function usualNetwork(addresses: readonly NetworkAddress[]): string | undefined {
  if (addresses.length < 2) return addresses[0]?.network ?? ''
  const families = new Set(addresses.map(({ ip }) => familyOf(ip)))
  const networks = new Set(addresses.map(({ network }) => network))
  if (families.size < addresses.length || networks.size > 1) return undefined
  return addresses[0]?.network ?? ''
}
