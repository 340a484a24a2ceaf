import { familyOf } from '../../model/ip.ts'
import type { Endpoint, Service } from '../../model/resources.ts'
import { wordsOf } from '../l4/address.ts'
import { putSuffix, suffixStart } from './name-suffix.ts'
import { unknownProfileText } from './profile.ts'
import {
  type EndpointLists,
  head,
  headWords,
  kindBits,
  record,
  suffixShift,
} from './service-table.ts'
import type { WorkloadPart } from './workload-rows.ts'

/** What is known of the workload with that uid. */
export type FindPart = (uid: string) => WorkloadPart | undefined

/** Lays a service out flat, with what is known of the workloads behind it. */
export function writeServiceTable(service: Service, find: FindPart): SharedArrayBuffer {
  const { endpoints, ...rest } = service
  const lists = collectLists(find)
  const addressWords = endpoints.some(({ address }) => familyOf(address.ip) === 'ipv6') ? 4 : 1
  const recordWords = record.address + addressWords
  const words = [endpoints.length, addressWords, 0, 0, 0]
  const places = collectPlaces((headWords + endpoints.length * recordWords) * 4)
  for (const endpoint of endpoints) {
    const at = words.length
    const part = lists.partOf(endpoint.workload)
    words.push(part.number, places.at(endpoint), lists.kindOf(endpoint), lists.hintsOf(endpoint))
    words[at + record.kind] = (words[at + record.kind] ?? 0) | (part.suffix.length << suffixShift)
    putSuffix(words, at + record.suffix, part.suffix)
    const address = wordsOf(endpoint.address.ip)
    words.push(...(addressWords === 4 ? address : [address[3]]))
  }
  const serviceText = Buffer.from(JSON.stringify(rest))
  const listsText = lists.text()
  const listsAt = places.end() + serviceText.length
  words[head.service] = places.end()
  words[head.lists] = listsAt
  words[head.end] = listsAt + listsText.length
  return bufferOf(words, [...places.texts, serviceText, listsText])
}

function bufferOf(words: readonly number[], texts: readonly Uint8Array[]): SharedArrayBuffer {
  const length = texts.reduce((sum, text) => sum + text.length, words.length * 4)
  const buffer = new SharedArrayBuffer(length)
  new Int32Array(buffer, 0, words.length).set(words)
  const bytes = new Uint8Array(buffer)
  let at = words.length * 4
  for (const text of texts) {
    bytes.set(text, at)
    at += text.length
  }
  return buffer
}

/** Numbers for what comes again, by what it is as text. */
function createNumbers<T>() {
  const numbers = new Map<string, number>()
  const values: T[] = []
  return {
    values,
    of(text: string, value: () => T): number {
      const known = numbers.get(text)
      if (known !== undefined) return known
      numbers.set(text, values.length)
      return values.push(value()) - 1
    },
  }
}

function collectLists(find: FindPart) {
  const profiles = createNumbers<string>()
  const kinds = createNumbers<EndpointLists['kinds'][number]>()
  const hints = createNumbers<EndpointLists['hints'][number]>()
  const kindTexts = new Map<Endpoint['ports'], string>()

  function portsText(ports: Endpoint['ports']): string {
    const known = kindTexts.get(ports)
    if (known !== undefined) return known
    const text = JSON.stringify(ports)
    kindTexts.set(ports, text)
    return text
  }

  return {
    partOf(uid: string): { readonly number: number; readonly suffix: string } {
      const { profile, suffix } = find(uid) ?? unknownPart(uid)
      return { number: profiles.of(profile, () => profile), suffix }
    },
    kindOf({ address: { network }, ports, ready, serving, terminating }: Endpoint): number {
      const number = kinds.of(`${network} ${portsText(ports)}`, () => ({ network, ports }))
      return (
        number |
        (ready ? kindBits.ready : 0) |
        (serving ? kindBits.serving : 0) |
        (terminating ? kindBits.terminating : 0)
      )
    },
    hintsOf({ zoneHints, nodeHints }: Endpoint): number {
      const text = zoneHints.length + nodeHints.length === 0 ? '' : keyOf([zoneHints, nodeHints])
      return hints.of(text, () => [zoneHints, nodeHints])
    },
    text(): Uint8Array {
      const lists = { profiles: profiles.values, kinds: kinds.values, hints: hints.values }
      return Buffer.from(JSON.stringify(lists satisfies EndpointLists))
    },
  }
}

const keyOf = JSON.stringify

function unknownPart(uid: string): WorkloadPart {
  const start = suffixStart(uid, uid)
  return { profile: unknownProfileText(uid, uid.length - start), suffix: uid.slice(start) }
}

/** @param first where the first one goes */
function collectPlaces(first: number) {
  const known = new Map<string, number>()
  const texts: Buffer[] = []
  let end = first
  return {
    texts,
    end: () => end,
    at({ node, zone }: Endpoint): number {
      const text = `${node}\0${zone}`
      const before = known.get(text)
      if (before !== undefined) return before
      const bytes = Buffer.from(`  ${text}`)
      bytes.writeUInt16LE(bytes.length - 2)
      texts.push(bytes)
      known.set(text, end)
      end += bytes.length
      return end - bytes.length
    },
  }
}
