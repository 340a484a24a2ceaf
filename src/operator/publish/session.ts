import { nodeSubscription } from '../../model/names.ts'
import type { Resource } from '../../model/resources.ts'
import type { Delta } from '../../model/source.ts'
import type { ConfigRow, StreamRow } from '../../model/status.ts'
import type { Answer } from './answer.ts'
import type { Answers } from './answers.ts'
import { type Asked, createAsked } from './asked.ts'
import { createDeltaPump, type DeltaPump } from './delta-pump.ts'
import { type Claims, claim, createHoldings, type Holdings, reject, settle } from './holdings.ts'
import { inspectHoldings } from './inspect.ts'
import type { PublishLimits } from './limits.ts'
import { type Outdated, planDelta } from './plan-delta.ts'
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
  /** What it holds and is to hold, beside its status. @param withContent of the resources too */
  inspect(withContent: boolean): Omit<ConfigRow, keyof StreamRow>
}

export interface SessionStatus extends StreamRow {
  readonly node: string
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
  /** A node took or rejected something. */
  moved(): void
}

export interface Session extends NodeSession {
  /** The answer to one of its subscriptions may have changed. */
  touch(name: string): void
  /** All that changed was told. Sends, unless a delta is on its way. */
  changed(): void
  /** What it holds under a name, or is to hold; undefined: it has nothing to do with it. */
  holding(name: string): Resource | Outdated | undefined
}

export function createSession(
  node: string,
  names: readonly string[],
  send: (delta: Delta) => void,
  handles: SessionHandles,
  claims?: Claims,
): Session {
  const held = createHoldings()
  const { answers, limits } = handles
  const asked = createAsked(limits.subscriptionsPerNode, (name) => subscriptions.answerOf(name))
  const subscriptions: Subscriptions = createSubscriptions(node, {
    answers,
    limits,
    onAdd: touching(asked, (name) => handles.watch(name, session)),
    onRemove: touching(asked, (name) => handles.unwatch(name, session)),
  })
  const pump = openPump({ subscriptions, asked, held }, send, { ...handles, claims })
  const counts = { acked: 0, nacked: 0, lastError: '', version: '' }

  function add(name: string): void {
    // Asking again for what is subscribed is answered again.
    held.told.delete(name)
    subscriptions.add(name)
    if (subscriptions.has(name)) asked.askAgain(name)
  }

  const session: Session = {
    node,
    subscribe(more) {
      for (const name of more) add(name)
      pump.changed()
    },
    unsubscribe(less) {
      for (const name of less.filter((one) => one !== nodeSubscription(node))) {
        subscriptions.remove(name)
        held.told.delete(name)
      }
      pump.changed()
    },
    ack(nonce) {
      const delta = pump.take(nonce)
      if (delta === undefined) return
      settle(held, delta, (name) => subscriptions.has(name))
      asked.settle(delta)
      Object.assign(counts, { acked: counts.acked + 1, lastError: '', version: delta.version })
      handles.moved()
      pump.resume()
    },
    nack(nonce, error, names = []) {
      const delta = pump.take(nonce)
      if (delta === undefined) return
      Object.assign(counts, { nacked: counts.nacked + 1, lastError: error })
      handles.moved()
      if (reject(held, delta, names)) pump.changed()
      else pump.rest()
    },
    touch: (name) => asked.touch(name),
    changed: () => pump.changed(),
    holding: (name) => holdingOf(held, asked, name),
    close() {
      pump.close()
      subscriptions.clear()
      handles.closed(session)
    },
    inspect: (withContent) => inspectHoldings(answersTo(subscriptions), held, withContent),
    status: () => ({ node, ...sizesOf(subscriptions, held), waiting: pump.waiting, ...counts }),
  }
  for (const name of new Set([nodeSubscription(node), ...names])) add(name)
  return session
}

function holdingOf(held: Holdings, asked: Asked, name: string): Resource | Outdated | undefined {
  const isAsked = asked.openResources.has(name) || held.rejected.has(name)
  return held.resources.get(name) ?? (isAsked ? 'outdated' : undefined)
}

function sizesOf(subscriptions: Subscriptions, { resources }: Holdings) {
  return { subscriptions: subscriptions.size, resources: resources.size }
}

function answersTo(subscriptions: Subscriptions): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>()
  for (const name of subscriptions.names) {
    const answer = subscriptions.answerOf(name)
    if (answer !== undefined) answers.set(name, answer)
  }
  return answers
}

function touching(asked: Asked, run: (name: string) => void): (name: string) => void {
  return (name) => {
    asked.touch(name)
    run(name)
  }
}

interface SessionState {
  readonly subscriptions: Subscriptions
  readonly asked: Asked
  readonly held: Holdings
}

function openPump(
  { subscriptions, asked, held }: SessionState,
  send: (delta: Delta) => void,
  { ready, version, limits, claims }: SessionHandles & { readonly claims: Claims | undefined },
): DeltaPump {
  let claimed = claims
  return createDeltaPump({
    ready,
    version,
    plan() {
      asked.refresh()
      // Not before: what a claim is compared with is there when something has been published.
      if (claimed !== undefined) claim(held, claimed, asked)
      claimed = undefined
      const plan = planDelta(asked, held, limits.itemsPerDelta)
      for (const name of plan.obsolete) held.rejected.delete(name)
      return plan
    },
    takeRefused: () => subscriptions.takeRefused(),
    send,
  })
}
