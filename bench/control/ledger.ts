import type { Ack } from './messages.ts'

/** Changes on their way, and how long each took until its nodes had acknowledged it. */
export interface Ledger {
  /** A change was made. @param nodes that use the service */
  begin(service: number, turn: number, nodes: readonly number[], atNs: number): void
  /**
   * Acknowledging a state acknowledges the ones before it: a node that was sent nothing meanwhile
   * is sent the last one.
   */
  acknowledge(ack: Ack): void
  /** Until its last node, of changes since the last forget(), in milliseconds. */
  readonly durations: readonly Duration[]
  /** Changes that not all nodes have acknowledged. */
  readonly open: number
  /** Acknowledgements of what no node was to be told: none, if all is well. */
  readonly unexpected: number
  forget(): void
}

export interface Duration {
  readonly nodes: number
  readonly ms: number
}

interface Change {
  readonly turn: number
  readonly atNs: number
  readonly nodes: number
  readonly waiting: Set<number>
}

export function createLedger(): Ledger {
  const open = new Map<number, Change[]>()
  let durations: Duration[] = []
  let unexpected = 0
  let openChanges = 0

  return {
    begin(service, turn, nodes, atNs) {
      const change = { turn, atNs, nodes: nodes.length, waiting: new Set(nodes) }
      const changes = open.get(service) ?? []
      open.set(service, [...changes, change])
      openChanges += 1
    },
    acknowledge([service, turn, node, atNs]) {
      const changes = open.get(service) ?? []
      const last = changes.findLastIndex((one) => one.turn === turn)
      if (last === -1 || changes[last]?.waiting.has(node) !== true) {
        unexpected += 1
        return
      }
      for (const change of changes.slice(0, last + 1)) {
        if (!change.waiting.delete(node) || change.waiting.size > 0) continue
        openChanges -= 1
        durations.push({ nodes: change.nodes, ms: (atNs - change.atNs) / 1e6 })
      }
      open.set(
        service,
        changes.filter(({ waiting }) => waiting.size > 0),
      )
    },
    get durations() {
      return durations
    },
    get open() {
      return openChanges
    },
    get unexpected() {
      return unexpected
    },
    forget() {
      durations = []
    },
  }
}
