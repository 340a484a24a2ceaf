import { type Affinity, rendezvous } from './affinity.ts'
import type { Health } from './health.ts'
import {
  type Candidates,
  leastRequestPicker,
  type Picker,
  type Random,
  type Tried,
  untried,
  without,
} from './picker.ts'
import type { Target, TargetList } from './target.ts'

/** What a worker keeps for all its balancers. It has one owner, the worker's thread. */
export interface BalanceState {
  readonly inFlight: Map<string, number>
  readonly health: Health
  readonly affinity: Affinity
  readonly random: Random
}

export interface BalancerOptions {
  /** What affinity goes by: `service key` and port. */
  readonly name: string
  readonly targets: TargetList
  /** 0: no affinity. */
  readonly clientAffinitySeconds: number
}

export interface Balancer {
  /**
   * A target for this client that is not among those that were tried, and where there is a choice
   * on none of the nodes that are silent; undefined when none is left.
   */
  pick(client: string, tried: Tried, nowMs: number): Target | undefined
  /** All its targets, those that are out among them. */
  readonly size: number
}

/** Balances one service port over its targets, leaving out those that health has ejected. */
export function createBalancer(options: BalancerOptions, state: BalanceState): Balancer {
  const { name, targets, clientAffinitySeconds } = options
  let picker: Picker | undefined
  let version = -1

  function current(nowMs: number): Picker {
    if (picker === undefined || picker.staleAtMs <= nowMs || version !== state.health.version) {
      picker = makePicker(targets, state, nowMs)
      version = state.health.version
    }
    return picker
  }

  function pickSticky(client: string, tried: Tried, nowMs: number): Target | undefined {
    const usable = untried(targets, current(nowMs).candidates, tried)
    const known = state.affinity.recall(name, client, nowMs)
    const index = keptIndex(targets, usable, known) ?? rendezvous(client, targets, usable)
    if (index === undefined) return undefined
    const target = targets.at(index)
    state.affinity.remember(name, client, target.key, nowMs + clientAffinitySeconds * 1000)
    return target
  }

  return {
    pick(client, tried, nowMs) {
      if (clientAffinitySeconds > 0) return pickSticky(client, tried, nowMs)
      return current(nowMs).pick(tried)
    },
    size: targets.length,
  }
}

function keptIndex(
  targets: TargetList,
  usable: Candidates,
  key: string | undefined,
): number | undefined {
  const index = key === undefined ? -1 : targets.indexOf(key)
  return index === -1 || usable?.includes(index) === false ? undefined : index
}

function makePicker(targets: TargetList, state: BalanceState, nowMs: number): Picker {
  let staleAtMs = Number.POSITIVE_INFINITY
  const out: string[] = []
  for (const [key, untilMs] of state.health.out(nowMs)) {
    if (targets.indexOf(key) === -1) continue
    out.push(key)
    staleAtMs = Math.min(staleAtMs, untilMs)
  }
  const usable = out.length > 0 ? without(targets, undefined, out) : undefined
  // When all are out, none is better than another: trying one beats refusing everybody.
  const candidates = usable?.length === 0 ? undefined : usable
  const { inFlight, random } = state
  return leastRequestPicker({ targets, candidates, inFlight, random, staleAtMs })
}
