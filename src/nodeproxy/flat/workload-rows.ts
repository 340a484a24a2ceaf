import { addressKey } from '../../model/names.ts'
import type { NetworkAddress, Workload } from '../../model/resources.ts'
import { mappedIpv4, wordsOf } from '../l4/address.ts'
import { createInterner, type Interner } from './interner.ts'
import { suffixAt, suffixStart } from './name-suffix.ts'
import { createNumberIndex, hashOfText, hashOfWords, type NumberIndex } from './number-index.ts'
import { isProfileOf, parseProfile, type Profile, profileText, uidOfProfile } from './profile.ts'
import * as row from './row.ts'
import { createRowPages, type RowPages } from './row-pages.ts'

/** A workload's part of a service's table: its profile, and the end of its uid. */
export interface WorkloadPart {
  readonly profile: string
  readonly suffix: string
}

/**
 * Workloads as rows of a few words. What many share, texts of one owner and places, is kept once;
 * a workload itself is made when somebody asks for it.
 */
export interface WorkloadRows {
  get(uid: string): Workload | undefined
  /** One that has this address; pods of a node's own network have none here. */
  at(address: NetworkAddress): Workload | undefined
  part(uid: string): WorkloadPart | undefined
  /** Empty: not known. */
  version(uid: string): string
  /**
   * @returns the services that it had until now, when what their tables say of it is different now
   */
  put(workload: Workload, version: string): readonly string[] | undefined
  /** @returns what it was */
  delete(uid: string): Workload | undefined
  uids(): Iterable<string>
  values(): Iterable<Workload>
  readonly size: number
}

interface State {
  readonly profiles: Interner
  readonly places: Interner
  readonly rows: RowPages
  readonly byUid: NumberIndex
  /** An entry is a row's number twice, and one more for its IPv6 address. */
  readonly byAddress: NumberIndex
  readonly unusual: ReturnType<typeof createUidIndex>
}

export function createWorkloadRows(): WorkloadRows {
  const rows = createRowPages()
  const state: State = {
    profiles: createInterner(),
    places: createInterner(),
    rows,
    byUid: createNumberIndex((number) => hashOfText(uidOf(state, number))),
    byAddress: createNumberIndex((entry) => hashOfWords(addressOf(state, entry))),
    unusual: createUidIndex(),
  }
  const ifFound = <T>(uid: string, read: (number: number) => T): T | undefined => {
    const number = find(state, uid)
    return number === undefined ? undefined : read(number)
  }
  return {
    get: (uid) => ifFound(uid, (number) => workloadOf(state, number)),
    at: (address) => findAt(state, address),
    part: (uid) =>
      ifFound(uid, (number) => {
        const words = rows.at(number)
        return { profile: profileTextOf(state, words), suffix: suffixOf(words) }
      }),
    version: (uid) => ifFound(uid, (number) => row.versionOf(rows.at(number))) ?? '',
    put: (workload, version) => put(state, workload, version),
    delete: (uid) =>
      ifFound(uid, (number) => {
        const workload = workloadOf(state, number)
        drop(state, number, uid)
        return workload
      }),
    *uids() {
      for (const number of rows.used()) yield uidOf(state, number)
    },
    *values() {
      for (const number of rows.used()) yield workloadOf(state, number)
    },
    get size() {
      return rows.size
    },
  }
}

function suffixOf(words: row.Row): string {
  return suffixAt(words, row.suffixWord, row.suffixLength(words))
}

function profileTextOf({ profiles }: State, words: row.Row): string {
  return profiles.text(words[row.profileWord] ?? 0)
}

function profileOf(state: State, words: row.Row): Profile {
  return parseProfile(profileTextOf(state, words))
}

function uidOf(state: State, number: number): string {
  const words = state.rows.at(number)
  return uidOfProfile(profileTextOf(state, words)) + suffixOf(words)
}

function find(state: State, uid: string): number | undefined {
  return state.byUid.find(hashOfText(uid), (number) => {
    const words = state.rows.at(number)
    const suffix = suffixOf(words)
    return uid.endsWith(suffix) && isProfileOf(profileTextOf(state, words), uid, suffix.length)
  })
}

function findAt(state: State, { network, ip }: NetworkAddress): Workload | undefined {
  const wanted = wordsOf(ip)
  const found = state.unusual.at({ network, ip })
  state.byAddress.find(hashOfWords(wanted), (entry) => {
    const its = addressOf(state, entry)
    if (!wanted.every((word, index) => its[index] === word)) return false
    const number = entry >> 1
    if (profileOf(state, state.rows.at(number))[3] === network) found.push(uidOf(state, number))
    return false
  })
  // Of several, which there should not be, always the same one.
  const number = find(state, found.sort()[0] ?? '')
  return number === undefined ? undefined : workloadOf(state, number)
}

function workloadOf(state: State, number: number): Workload {
  const words = state.rows.at(number)
  const [uid, name, shared, network] = profileOf(state, words)
  const suffix = suffixOf(words)
  const place = JSON.parse(state.places.text(words[row.placeWord] ?? 0)) as row.Place
  const [node, region, zone, subzone] = place
  return {
    type: 'workload',
    uid: uid + suffix,
    name: name + suffix,
    // Rows are made of whole workloads alone.
    ...(shared as NonNullable<typeof shared>),
    addresses:
      typeof network === 'string'
        ? row.addressesOf(words, state.rows.ipv6(number), network)
        : network,
    node,
    locality: { region, zone, subzone },
    ready: row.hasFlag(words, row.flags.ready),
  }
}

function put(state: State, workload: Workload, version: string): readonly string[] | undefined {
  const { uid, name, addresses, locality, node, ready, ...facts } = workload
  const { profiles, places, rows, unusual } = state
  const before = find(state, uid)
  const start = suffixStart(uid, name)
  const usual = workload.hostNetwork ? undefined : row.usualNetwork(addresses)
  const profile = profileText({ uid, name, ...facts }, uid.length - start, usual ?? addresses)
  const { region, zone, subzone } = locality
  const place = JSON.stringify([node, region, zone, subzone] satisfies row.Place)
  const profileBefore = before === undefined ? '' : profileTextOf(state, rows.at(before))
  const number = rows.take()
  const filling = {
    profile: profiles.take(profile),
    place: places.take(place),
    suffix: uid.slice(start),
    ready,
    addresses: usual === undefined ? [] : addresses,
    version,
  }
  row.fill(rows.at(number), filling, () => rows.ipv6ToFill(number))
  if (before !== undefined) drop(state, before, uid)
  state.byUid.add(hashOfText(uid), number)
  eachAddress(state, number, (hash, entry) => state.byAddress.add(hash, entry))
  if (usual === undefined && !workload.hostNetwork) unusual.add(uid, addresses)
  if (profileBefore === profile) return undefined
  return profileBefore === '' ? [] : (parseProfile(profileBefore)[2]?.services ?? [])
}

function drop(state: State, number: number, uid: string): void {
  const { profiles, places, rows, byUid, byAddress, unusual } = state
  byUid.remove(hashOfText(uid), number)
  eachAddress(state, number, (hash, entry) => byAddress.remove(hash, entry))
  unusual.remove(uid)
  const words = rows.at(number)
  profiles.release(words[row.profileWord] ?? 0)
  places.release(words[row.placeWord] ?? 0)
  rows.free(number)
}

function eachAddress(
  state: State,
  number: number,
  visit: (hash: number, entry: number) => void,
): void {
  const words = state.rows.at(number)
  for (const [flag, entry] of [
    [row.flags.ipv4, number * 2],
    [row.flags.ipv6, number * 2 + 1],
  ] as const) {
    if (row.hasFlag(words, flag)) visit(hashOfWords(addressOf(state, entry)), entry)
  }
}

/** The four words of the address that an entry stands for. */
function addressOf({ rows }: State, entry: number): ArrayLike<number> {
  const number = entry >> 1
  return (entry & 1) === 1 ? rows.ipv6(number) : mappedIpv4(rows.at(number)[row.ipv4Word] ?? 0)
}

/** The few whose addresses do not fit into a row: several of one family, or of several networks. */
function createUidIndex() {
  const addressesOf = new Map<string, ReadonlySet<string>>()
  return {
    add(uid: string, addresses: readonly NetworkAddress[]): void {
      addressesOf.set(uid, new Set(addresses.map(addressKey)))
    },
    remove: (uid: string) => addressesOf.delete(uid),
    at(address: NetworkAddress): string[] {
      const key = addressKey(address)
      return [...addressesOf].filter(([, keys]) => keys.has(key)).map(([uid]) => uid)
    },
  }
}
