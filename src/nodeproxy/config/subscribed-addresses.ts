import { addressSubscription, parseSubscription } from '../../model/names.ts'
import type { ConfigStream, Delta } from '../../model/source.ts'
import { type AddressRecord, createAddressBook } from './address-book.ts'
import type { Clock, Resolution } from './interfaces.ts'

export interface SubscriptionLimits {
  /** Subscribed addresses, of all and of one requester; the least recently used go first. */
  readonly addresses: number
  readonly addressesPerRequester: number
  /** Unused for so long, an address is unsubscribed. */
  readonly idleMs: number
  readonly idleAbsentMs: number
}

export interface SubscriptionHandles {
  readonly clock: Clock
  readonly network: string
  readonly stream: Pick<ConfigStream, 'subscribe' | 'unsubscribe'>
  readonly onAnswer: (ip: string, resolution: Resolution) => void
  /** Unsubscribed, with or without an answer. */
  readonly onDrop: (ip: string) => void
}

/** An address that was answered. */
export interface KnownAddress {
  readonly ip: string
  readonly requester: string
  readonly state: 'present' | 'absent'
}

/** The addresses a node is subscribed to, and what was answered. */
export interface SubscribedAddresses {
  /** Marks it as used. */
  get(ip: string): AddressRecord | undefined
  subscribe(ip: string, requester: string): AddressRecord
  /** Takes in what a delta says of addresses. @returns those whose state changed */
  note(delta: Delta): readonly string[]
  /** Knows these from an earlier run, and subscribes to them. */
  restore(addresses: readonly KnownAddress[]): void
  known(): readonly KnownAddress[]
  /** Unsubscribes what was not used for long. */
  sweep(): void
  readonly size: number
}

export function createSubscribedAddresses(
  limits: SubscriptionLimits,
  handles: SubscriptionHandles,
): SubscribedAddresses {
  const { clock, network, stream } = handles
  const book = createAddressBook(limits.addresses, limits.addressesPerRequester)
  const nameOf = (ip: string) => addressSubscription(network, ip)

  function drop(ips: readonly string[]): void {
    if (ips.length === 0) return
    for (const ip of ips) {
      book.delete(ip)
      handles.onDrop(ip)
    }
    stream.unsubscribe(ips.map(nameOf))
  }

  function subscribe(ip: string, requester: string): AddressRecord {
    const nowMs = clock.nowMs()
    const common = { ip, requester, askedAtMs: nowMs, usedAtMs: nowMs }
    const record: AddressRecord = { ...common, state: 'pending', reason: '' }
    drop(book.add(record))
    stream.subscribe([nameOf(ip)])
    return record
  }

  function answer(name: string, state: AddressRecord['state'], reason = ''): readonly string[] {
    const asked = parseSubscription(name)
    if (asked?.kind !== 'address' || asked.network !== network) return []
    const record = book.get(asked.ip)
    if (record === undefined || record.state === state) return []
    Object.assign(record, { state, reason })
    handles.onAnswer(asked.ip, resolutionOf(state, reason))
    return [asked.ip]
  }

  return {
    get(ip) {
      const record = book.get(ip)
      if (record !== undefined) book.use(record, clock.nowMs())
      return record
    },
    subscribe,
    note({ present = [], absent, refused = [] }) {
      return [
        ...present.flatMap((name) => answer(name, 'present')),
        ...absent.flatMap((name) => answer(name, 'absent')),
        ...refused.flatMap(({ name, error }) => answer(name, 'refused', error)),
      ]
    },
    restore(addresses) {
      for (const { ip, requester, state } of addresses) subscribe(ip, requester).state = state
    },
    known: () =>
      [...book.records()].flatMap(({ ip, requester, state }) =>
        state === 'present' || state === 'absent' ? [{ ip, requester, state }] : [],
      ),
    sweep() {
      const nowMs = clock.nowMs()
      const idle = [...book.records()].filter(({ state, usedAtMs }) => {
        const limitMs = state === 'present' ? limits.idleMs : limits.idleAbsentMs
        return nowMs - usedAtMs >= limitMs
      })
      drop(idle.map(({ ip }) => ip))
    },
    get size() {
      return book.size
    },
  }
}

function resolutionOf(state: AddressRecord['state'], reason: string): Resolution {
  if (state === 'present') return { state: 'known' }
  return state === 'absent' ? { state } : { state: 'unanswered', reason }
}
