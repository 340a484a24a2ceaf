import { parseSubscription } from '../../model/names.ts'
import type { RefusedName } from '../../model/source.ts'
import type { Answer } from './answer.ts'
import type { Answers } from './answers.ts'
import type { PublishLimits } from './limits.ts'

/** The names that one stream is subscribed to, and those it was refused. */
export interface Subscriptions {
  readonly size: number
  readonly names: Iterable<string>
  has(name: string): boolean
  add(name: string): void
  remove(name: string): void
  clear(): void
  /** What answers it now; undefined when it is not subscribed. */
  answerOf(name: string): Answer | undefined
  /** Refusals that were not told yet; they are told once. */
  takeRefused(): readonly RefusedName[]
}

export interface SubscriptionHandles {
  readonly answers: Answers
  readonly limits: PublishLimits
  onAdd(name: string): void
  onRemove(name: string): void
}

export function createSubscriptions(node: string, handles: SubscriptionHandles): Subscriptions {
  const { answers, limits } = handles
  const names = new Set<string>()
  let refused: RefusedName[] = []

  function remove(name: string): void {
    if (!names.delete(name)) return
    answers.unsubscribe(name)
    handles.onRemove(name)
  }

  return {
    get size() {
      return names.size
    },
    names,
    has: (name) => names.has(name),
    add(name) {
      if (names.has(name)) return
      const error = refusalOf(name, node, names.size, limits)
      if (error === undefined) {
        names.add(name)
        answers.subscribe(name)
        handles.onAdd(name)
      } else if (refused.length < limits.refusalsWaiting) {
        refused.push({ name: name.slice(0, limits.nameLength), error })
      }
    },
    remove,
    clear() {
      for (const name of names) remove(name)
    },
    answerOf: (name) => (names.has(name) ? answers.get(name) : undefined),
    takeRefused() {
      const taken = refused
      refused = []
      return taken
    },
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
    return (
      `the name has ${name.length} characters, the limit ` +
      `is ${nameLength}: ask for address/<network>/<ip>`
    )
  }
  const asked = parseSubscription(name)
  if (asked === undefined) {
    return `${JSON.stringify(name)} is no name to subscribe to: ask for address/<network>/<ip>`
  }
  if (asked.kind === 'node' && asked.node !== node) {
    return `node ${node} asked for the pods of node ${asked.node}: a node is sent its own alone`
  }
  if (subscriptions >= subscriptionsPerNode) {
    const limit = `subscriptionsPerNode is ${subscriptionsPerNode}`
    return (
      `node ${node} has ${subscriptions} subscriptions, and ${limit}: ` +
      'unsubscribe addresses that are not in use, or raise the limit'
    )
  }
  return undefined
}
