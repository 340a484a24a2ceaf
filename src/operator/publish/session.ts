import { nodeSubscription, parseSubscription } from '../../model/names.ts'
import type { Resource } from '../../model/resources.ts'
import type { Delta, RefusedName } from '../../model/source.ts'
import type { Answers } from './answers.ts'
import type { PublishLimits } from './limits.ts'
import { type DeltaPlan, planDelta } from './plan-delta.ts'

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
  readonly version: string
}

/** What a session needs of the publisher. */
export interface SessionHandles {
  readonly answers: Answers
  readonly limits: PublishLimits
  version(): string
  /** False while nothing was published: a node is not told that it has no pods because we start. */
  ready(): boolean
  watch(name: string, session: Session): void
  unwatch(name: string, session: Session): void
  closed(session: Session): void
}

export interface Session extends NodeSession {
  /** An answer to one of its subscriptions may have changed. Sends, unless a delta is on its way. */
  changed(): void
}

interface InFlight extends DeltaPlan {
  readonly nonce: string
  readonly version: string
}

export function createSession(
  node: string,
  names: readonly string[],
  send: (delta: Delta) => void,
  handles: SessionHandles,
): Session {
  const { answers, limits } = handles
  const subscribed = new Set<string>()
  const resources = new Map<string, Resource>()
  const told = new Map<string, 'present' | 'absent'>()
  const rejected = new Map<string, Resource>()
  let refused: RefusedName[] = []
  let inFlight: InFlight | undefined
  let dirty = true
  let open = true
  let started = false
  let nonce = 0
  const counts = { acked: 0, nacked: 0, lastError: '', version: '' }

  function flush(): void {
    if (!open || !dirty || inFlight !== undefined || !handles.ready()) return
    const plan = planDelta(
      new Map([...subscribed].map((name) => [name, answers.get(name)])),
      { resources, told, rejected },
      limits.itemsPerDelta,
    )
    dirty = !plan.complete
    if (started && isEmpty(plan) && refused.length === 0) return
    nonce += 1
    inFlight = { ...plan, nonce: String(nonce), version: handles.version() }
    const delta = deltaOf(inFlight, refused, !started)
    refused = []
    started = true
    send(delta)
  }

  function refuse(name: string, error: string): void {
    if (refused.length < limits.refusalsWaiting) refused.push({ name, error })
  }

  function add(name: string): void {
    dirty = true
    // Asking again for what is subscribed is answered again.
    told.delete(name)
    if (subscribed.has(name)) return
    const error = refusalOf(name, node, subscribed.size, limits)
    if (error !== undefined) {
      refuse(name, error)
      return
    }
    subscribed.add(name)
    answers.subscribe(name)
    handles.watch(name, session)
  }

  function remove(name: string): void {
    if (!subscribed.delete(name)) return
    dirty = true
    told.delete(name)
    answers.unsubscribe(name)
    handles.unwatch(name, session)
  }

  function settle(delta: InFlight): void {
    for (const [name, resource] of delta.upserts) {
      resources.set(name, resource)
      rejected.delete(name)
    }
    for (const name of delta.removals) {
      resources.delete(name)
      rejected.delete(name)
    }
    for (const name of delta.present) if (subscribed.has(name)) told.set(name, 'present')
    for (const name of delta.absent) if (subscribed.has(name)) told.set(name, 'absent')
  }

  /** Takes the delta on its way, if the nonce is its: answers to older ones say nothing any more. */
  function take(answered: string): InFlight | undefined {
    if (inFlight?.nonce !== answered) return undefined
    const delta = inFlight
    inFlight = undefined
    return delta
  }

  const session: Session = {
    node,
    subscribe(more) {
      for (const name of more) add(name)
      flush()
    },
    unsubscribe(less) {
      for (const name of less) if (name !== nodeSubscription(node)) remove(name)
      flush()
    },
    ack(answered) {
      const delta = take(answered)
      if (delta === undefined) return
      settle(delta)
      counts.acked += 1
      Object.assign(counts, { lastError: '', version: delta.version })
      flush()
    },
    nack(answered, error, names = []) {
      const delta = take(answered)
      if (delta === undefined) return
      counts.nacked += 1
      counts.lastError = error
      const culprits = names.filter((name) => delta.upserts.has(name))
      for (const name of culprits) {
        const resource = delta.upserts.get(name)
        if (resource !== undefined) rejected.set(name, resource)
      }
      // With nobody to blame, the same would be rejected again: wait until something changes.
      dirty = culprits.length > 0
      flush()
    },
    changed() {
      dirty = true
      flush()
    },
    close() {
      if (!open) return
      open = false
      for (const name of [...subscribed]) remove(name)
      handles.closed(session)
    },
    status: () => ({
      node,
      subscriptions: subscribed.size,
      resources: resources.size,
      waiting: inFlight !== undefined,
      ...counts,
    }),
  }
  for (const name of new Set([nodeSubscription(node), ...names])) add(name)
  return session
}

function isEmpty(plan: DeltaPlan): boolean {
  const { upserts, removals, present, absent } = plan
  return upserts.size + removals.length + present.length + absent.length === 0
}

function deltaOf(plan: InFlight, refused: readonly RefusedName[], initial: boolean): Delta {
  const { nonce, version, upserts, removals, absent, present, complete } = plan
  return {
    nonce,
    version,
    upserts: [...upserts.values()],
    removals,
    absent,
    ...(present.length > 0 ? { present } : {}),
    ...(refused.length > 0 ? { refused } : {}),
    ...(initial ? { initial } : {}),
    ...(complete ? { complete } : {}),
  }
}

/** Why a name is not served to this node; undefined when it is. */
function refusalOf(
  name: string,
  node: string,
  subscriptions: number,
  { subscriptionsPerNode, nameLength }: PublishLimits,
): string | undefined {
  if (name.length > nameLength) {
    return `the name has ${name.length} characters, the limit is ${nameLength}: ask for address/<network>/<ip>`
  }
  const asked = parseSubscription(name)
  if (asked === undefined) {
    return `${JSON.stringify(name)} is no name to subscribe to: ask for address/<network>/<ip>`
  }
  if (asked.kind === 'node' && asked.node !== node) {
    return `node ${node} asked for the pods of node ${asked.node}: a node is sent its own alone`
  }
  if (subscriptions >= subscriptionsPerNode) {
    return `node ${node} has ${subscriptions} subscriptions, and subscriptionsPerNode is ${subscriptionsPerNode}: unsubscribe addresses that are not in use, or raise the limit`
  }
  return undefined
}
