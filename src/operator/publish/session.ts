import { nodeSubscription } from '../../model/names.ts'
import type { Delta } from '../../model/source.ts'
import type { Answers } from './answers.ts'
import { createDeltaPump, type DeltaPump } from './delta-pump.ts'
import { type Claims, claim, createHoldings, type Holdings, reject, settle } from './holdings.ts'
import type { PublishLimits } from './limits.ts'
import { planDelta } from './plan-delta.ts'
import { createSubscriptions, type Subscriptions } from './subscriptions.ts'

/** One stream of a node, without its transport. */
export interface NodeSession {
  readonly node: string
  subscribe(names: readonly string[]): void
  unsubscribe(names: readonly string[]): void
  ack(nonce: string): void
  nack(nonce: string, error: string, rejected?: readonly string[]): void
  close(): void
  status(): SessionStatus
}

export interface SessionStatus {
  readonly node: string
  readonly subscriptions: number
  readonly resources: number
  /** A delta is on its way and not acknowledged. */
  readonly waiting: boolean
  readonly acked: number
  readonly nacked: number
  /** What the node last rejected; empty once it has acknowledged something since. */
  readonly lastError: string
  /** Last acknowledged. */
  readonly version: string
}

/** What a session needs of the publisher. */
export interface SessionHandles {
  readonly answers: Answers
  readonly limits: PublishLimits
  readonly version: () => string
  /** False while nothing was published: a node is not told that it has no pods because we start. */
  readonly ready: () => boolean
  watch(name: string, session: Session): void
  unwatch(name: string, session: Session): void
  closed(session: Session): void
}

export interface Session extends NodeSession {
  /**
   * An answer to one of its subscriptions may have changed. Sends, unless a delta is on its way.
   */
  changed(): void
}

export function createSession(
  node: string,
  names: readonly string[],
  send: (delta: Delta) => void,
  handles: SessionHandles,
  claims?: Claims,
): Session {
  const held = createHoldings()
  const subscriptions = createSubscriptions(node, {
    answers: handles.answers,
    limits: handles.limits,
    onAdd: (name) => handles.watch(name, session),
    onRemove: (name) => handles.unwatch(name, session),
  })
  const pump = openPump(subscriptions, held, send, { ...handles, claims })
  const counts = { acked: 0, nacked: 0, lastError: '', version: '' }

  function add(name: string): void {
    // Asking again for what is subscribed is answered again.
    held.told.delete(name)
    subscriptions.add(name)
  }

  const session: Session = {
    node,
    subscribe(more) {
      for (const name of more) add(name)
      pump.changed()
    },
    unsubscribe(less) {
      for (const name of less) {
        if (name === nodeSubscription(node)) continue
        subscriptions.remove(name)
        held.told.delete(name)
      }
      pump.changed()
    },
    ack(nonce) {
      const delta = pump.take(nonce)
      if (delta === undefined) return
      settle(held, delta, (name) => subscriptions.has(name))
      counts.acked += 1
      Object.assign(counts, { lastError: '', version: delta.version })
      pump.resume()
    },
    nack(nonce, error, names = []) {
      const delta = pump.take(nonce)
      if (delta === undefined) return
      counts.nacked += 1
      counts.lastError = error
      if (reject(held, delta, names)) pump.changed()
      else pump.rest()
    },
    changed: () => pump.changed(),
    close() {
      pump.close()
      subscriptions.clear()
      handles.closed(session)
    },
    status: () => ({
      node,
      subscriptions: subscriptions.size,
      resources: held.resources.size,
      waiting: pump.waiting,
      ...counts,
    }),
  }
  for (const name of new Set([nodeSubscription(node), ...names])) add(name)
  return session
}

function openPump(
  subscriptions: Subscriptions,
  held: Holdings,
  send: (delta: Delta) => void,
  { ready, version, limits, claims }: SessionHandles & { readonly claims: Claims | undefined },
): DeltaPump {
  let claimed = claims
  return createDeltaPump({
    ready,
    version,
    plan() {
      const answered = subscriptions.answered()
      // Not before: what a claim is compared with is there when something has been published.
      if (claimed !== undefined) claim(held, claimed, answered)
      claimed = undefined
      const plan = planDelta(answered, held, limits.itemsPerDelta)
      for (const name of plan.obsolete) held.rejected.delete(name)
      return plan
    },
    takeRefused: () => subscriptions.takeRefused(),
    send,
  })
}
