import type { AddressRecord } from './address-book.ts'
import type { Clock, Resolution } from './interfaces.ts'
import {
  createSubscribedAddresses,
  type SubscribedAddresses,
  type SubscriptionHandles,
  type SubscriptionLimits,
} from './subscribed-addresses.ts'
import { createWaiters } from './waiters.ts'

export interface ResolverLimits extends SubscriptionLimits {
  /** How long a connection waits for an answer. */
  readonly waitMs: number
  /** Questions that one requester has open at once; further ones are not asked. */
  readonly waitingPerRequester: number
}

export const defaultResolverLimits: ResolverLimits = {
  waitMs: 500,
  waitingPerRequester: 64,
  // Under the operator's limit of 10,000 a node.
  addresses: 8_192,
  addressesPerRequester: 2_048,
  idleMs: 600_000,
  idleAbsentMs: 60_000,
}

export interface ResolverHandles extends Pick<SubscriptionHandles, 'network' | 'stream'> {
  readonly clock: Clock
  /** Whether what is held already names the address; `always`: and nobody need be asked. */
  readonly holds: (ip: string) => 'no' | 'yes' | 'always'
  /** Whether an answer can be hoped for. */
  readonly reachable: () => boolean
}

/** Asks for addresses on demand. */
export interface Resolver {
  resolve(ip: string, requester: string): Resolution | Promise<Resolution>
  readonly addresses: SubscribedAddresses
  readonly waiting: number
  readonly counts: ResolverCounts
  /** Nobody is to wait any longer. */
  close(): void
}

export interface ResolverCounts {
  readonly asked: number
  readonly unanswered: number
  readonly overLimit: number
  readonly expired: number
}

export function createResolver(limits: ResolverLimits, handles: ResolverHandles): Resolver {
  const { clock } = handles
  const counts = { asked: 0, unanswered: 0, overLimit: 0, expired: 0 }
  const waiters = createWaiters({
    clock,
    waitMs: limits.waitMs,
    perRequester: limits.waitingPerRequester,
    onTimeout: () => void (counts.unanswered += 1),
  })
  const addresses = createSubscribedAddresses(limits, {
    ...handles,
    onAnswer: (ip, resolution) => waiters.settle(ip, resolution),
    onDrop(ip) {
      counts.expired += 1
      waiters.settle(ip, { state: 'unanswered', reason: 'too many addresses were asked for' })
    },
  })

  function unanswered(reason: string): Resolution {
    counts.unanswered += 1
    return { state: 'unanswered', reason }
  }

  /** Waits for a question that is open, or says at once that it is no use. */
  function wait(record: AddressRecord, requester: string): Resolution | Promise<Resolution> {
    const joined = waiters.join(record.ip)
    if (joined !== undefined) return joined
    if (clock.nowMs() - record.askedAtMs >= limits.waitMs) return unanswered('no answer so far')
    if (!handles.reachable()) return unanswered('the source is away')
    const begun = waiters.begin(record.ip, requester)
    if (begun !== undefined) return begun
    counts.overLimit += 1
    return unanswered(`${requester} waits for ${limits.waitingPerRequester} addresses already`)
  }

  function ask(ip: string, requester: string): AddressRecord {
    counts.asked += 1
    return addresses.subscribe(ip, requester)
  }

  return {
    resolve(ip, requester) {
      const held = handles.holds(ip)
      if (held === 'always') return { state: 'known' }
      const record = addresses.get(ip) ?? ask(ip, requester)
      if (record.state === 'present' || held === 'yes') return { state: 'known' }
      if (record.state === 'absent') return { state: 'absent' }
      if (record.state === 'refused') return unanswered(record.reason)
      return wait(record, requester)
    },
    addresses,
    get waiting() {
      return waiters.size
    },
    counts,
    close: () => waiters.settleAll({ state: 'unanswered', reason: 'the proxy ends' }),
  }
}
