// A service with its endpoints in one flat buffer, which the main thread makes and all threads
// read.
//
//   head       five words: endpoints, words of an address (1 or 4), and where texts are
//   records    one an endpoint, of some words each; see below
//   places     `node\0zone`, each behind its length
//   service    JSON: all of it but its endpoints
//   lists      JSON: what records refer to by number
import type { Endpoint, NetworkAddress, Service } from '../../model/resources.ts'
import { isMappedIpv4, mappedIpv4, textOf } from '../l4/address.ts'
import { suffixAt } from './name-suffix.ts'
import { factsOf, parseProfile, type Profile, type WorkloadFacts } from './profile.ts'

export type ServiceHead = Omit<Service, 'endpoints'>

/** What many endpoints have alike. */
export interface EndpointLists {
  /** See profile.ts. */
  readonly profiles: readonly string[]
  readonly kinds: readonly EndpointKind[]
  readonly hints: readonly EndpointHints[]
}

export interface EndpointKind {
  readonly network: string
  readonly ports: Readonly<Record<number, number>>
}

export type EndpointHints = readonly [zones: readonly string[], nodes: readonly string[]]

export const headWords = 5
export const head = { count: 0, addressWords: 1, service: 2, lists: 3, end: 4 } as const

/** Words of a record; the address is behind them. */
export const record = { profile: 0, place: 1, kind: 2, hints: 3, suffix: 4, address: 6 } as const

/** In the word of the kind, above its number: flags, and the length of the suffix. */
export const kindBits = { ready: 1 << 24, serving: 1 << 25, terminating: 1 << 26 } as const
export const kindMask = 0xff_ffff
export const suffixShift = 28

export interface ServiceTable {
  readonly words: Int32Array
  readonly bytes: Buffer
  readonly count: number
  /** Read when they are wanted first. */
  lists: ParsedLists | undefined
}

interface ParsedLists extends Omit<EndpointLists, 'profiles'> {
  readonly profiles: readonly Profile[]
}

export function openServiceTable(buffer: SharedArrayBuffer): ServiceTable {
  const words = new Int32Array(buffer, 0, buffer.byteLength >> 2)
  return { words, bytes: Buffer.from(buffer), count: words[head.count] ?? 0, lists: undefined }
}

/** Made anew each time. */
export function headOf({ words, bytes }: ServiceTable): ServiceHead {
  return JSON.parse(bytes.toString('utf8', words[head.service], words[head.lists])) as ServiceHead
}

function listsOf(table: ServiceTable): ParsedLists {
  if (table.lists !== undefined) return table.lists
  const { words, bytes } = table
  const text = bytes.toString('utf8', words[head.lists], words[head.end])
  const { profiles, ...lists } = JSON.parse(text) as EndpointLists
  table.lists = { ...lists, profiles: profiles.map(parseProfile) }
  return table.lists
}

function recordAt({ words }: ServiceTable, index: number): number {
  return headWords + index * (record.address + (words[head.addressWords] ?? 1))
}

function kindWord(table: ServiceTable, index: number): number {
  return table.words[recordAt(table, index) + record.kind] ?? 0
}

export function hasBit(table: ServiceTable, index: number, bit: number): boolean {
  return (kindWord(table, index) & bit) !== 0
}

export function kindAt(table: ServiceTable, index: number): EndpointKind {
  return listsOf(table).kinds[kindWord(table, index) & kindMask] ?? { network: '', ports: {} }
}

const noHints: EndpointHints = [[], []]

export function hintsAt(table: ServiceTable, index: number): EndpointHints {
  const number = table.words[recordAt(table, index) + record.hints] ?? 0
  return listsOf(table).hints[number] ?? noHints
}

/** Where the text of its place is: the same for all in one place. */
export function placeNumber(table: ServiceTable, index: number): number {
  return table.words[recordAt(table, index) + record.place] ?? 0
}

/** @param number of placeNumber */
export function placeText({ bytes }: ServiceTable, number: number): readonly [string, string] {
  const end = number + 2 + bytes.readUInt16LE(number)
  const [node = '', zone = ''] = bytes.toString('utf8', number + 2, end).split('\0')
  return [node, zone]
}

export function nodeAt(table: ServiceTable, index: number): string {
  return placeText(table, placeNumber(table, index))[0]
}

export function ipAt(table: ServiceTable, index: number): string {
  const at = recordAt(table, index) + record.address
  const { words } = table
  return words[head.addressWords] === 4 ? textOf(words, at) : textOf(mappedIpv4(words[at] ?? 0))
}

export function isIpv6At(table: ServiceTable, index: number): boolean {
  const { words } = table
  if (words[head.addressWords] === 1) return false
  const at = recordAt(table, index) + record.address
  return !isMappedIpv4(words, at)
}

/** @param wanted four words */
export function hasIpAt(table: ServiceTable, index: number, wanted: ArrayLike<number>): boolean {
  const { words } = table
  const at = recordAt(table, index) + record.address
  if (words[head.addressWords] === 1) return words[at] === wanted[3] && isMappedIpv4(wanted)
  for (let word = 0; word < 4; word += 1) if (words[at + word] !== wanted[word]) return false
  return true
}

/** Uid of the workload behind it; empty: none. */
export function uidAt(table: ServiceTable, index: number): string {
  return (profileAt(table, index)?.[0] ?? '') + suffixOf(table, index)
}

/** Undefined where nothing is known but the uid. */
export function factsAt(table: ServiceTable, index: number): WorkloadFacts | undefined {
  const profile = profileAt(table, index)
  return profile === undefined ? undefined : factsOf(profile, suffixOf(table, index))
}

function profileAt(table: ServiceTable, index: number): Profile | undefined {
  return listsOf(table).profiles[table.words[recordAt(table, index) + record.profile] ?? 0]
}

function suffixOf(table: ServiceTable, index: number): string {
  const at = recordAt(table, index)
  return suffixAt(table.words, at + record.suffix, kindWord(table, index) >>> suffixShift)
}

function addressAt(table: ServiceTable, index: number): NetworkAddress {
  return { network: kindAt(table, index).network, ip: ipAt(table, index) }
}

export function endpointAt(table: ServiceTable, index: number): Endpoint {
  const [node, zone] = placeText(table, placeNumber(table, index))
  const [zoneHints, nodeHints] = hintsAt(table, index)
  return {
    workload: uidAt(table, index),
    address: addressAt(table, index),
    ports: kindAt(table, index).ports,
    node,
    zone,
    ready: hasBit(table, index, kindBits.ready),
    serving: hasBit(table, index, kindBits.serving),
    terminating: hasBit(table, index, kindBits.terminating),
    zoneHints,
    nodeHints,
  }
}

/** The service again, as it was sent. */
export function serviceOf(table: ServiceTable): Service {
  const endpoints = Array.from({ length: table.count }, (_, index) => endpointAt(table, index))
  return { ...headOf(table), endpoints }
}
