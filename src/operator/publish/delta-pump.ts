import type { Delta, RefusedName } from '../../model/source.ts'
import type { DeltaPlan } from './plan-delta.ts'

/**
 * Sends deltas one at a time: the next when the last was answered, with all that changed meanwhile.
 */
export interface DeltaPump {
  readonly waiting: boolean
  /** There may be something new to send. */
  changed(): void
  /**
   * Takes the delta on its way, if the nonce is its: answers to older ones say nothing any more.
   */
  take(nonce: string): SentDelta | undefined
  /** After a delta was applied: sends what is left, if anything is. */
  resume(): void
  /**
   * After it was rejected, and the same would be again: nothing is sent before something changes.
   */
  rest(): void
  close(): void
}

export interface SentDelta extends DeltaPlan {
  readonly nonce: string
  readonly version: string
}

export interface PumpHandles {
  /** False while nothing was published: a node is not told that it has no pods because we start. */
  readonly ready: () => boolean
  readonly version: () => string
  plan(): DeltaPlan
  /** Taken, they are told. */
  takeRefused(): readonly RefusedName[]
  send(delta: Delta): void
}

export function createDeltaPump(handles: PumpHandles): DeltaPump {
  let sent: SentDelta | undefined
  let changed = true
  let more = false
  let open = true
  let count = 0

  function flush(): void {
    if (!open || sent !== undefined || !(changed || more) || !handles.ready()) return
    const plan = handles.plan()
    const refused = handles.takeRefused()
    changed = false
    more = !plan.complete
    const initial = count === 0
    if (!initial && isEmpty(plan) && refused.length === 0) return
    count += 1
    sent = { ...plan, nonce: String(count), version: handles.version() }
    handles.send(deltaOf(sent, refused, initial))
  }

  return {
    get waiting() {
      return sent !== undefined
    },
    changed() {
      changed = true
      flush()
    },
    take(nonce) {
      if (sent?.nonce !== nonce) return undefined
      const delta = sent
      sent = undefined
      return delta
    },
    resume: flush,
    rest() {
      more = false
      flush()
    },
    close() {
      open = false
    },
  }
}

function isEmpty(plan: DeltaPlan): boolean {
  const { upserts, removals, present, absent } = plan
  return upserts.size + removals.length + present.length + absent.length === 0
}

function deltaOf(sent: SentDelta, refused: readonly RefusedName[], initial: boolean): Delta {
  const { nonce, version, upserts, removals, absent, present, complete } = sent
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
