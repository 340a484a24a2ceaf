import type {
  ConfigListener,
  ConfigSource,
  ConfigStream,
  Delta,
} from '../../../../src/model/source.ts'
import { emptyTables, type MeshTables } from '../../../../src/model/tables.ts'
import type { Clock, ConfigStore } from '../../../../src/nodeproxy/config/interfaces.ts'

/** What a store holds, as the model has it. */
export function heldBy({ tables }: ConfigStore): MeshTables {
  return emptyTables.with({ upserts: [...tables.resources.values()], removals: [] })
}

/** Time that goes on when the test says so. */
export interface FakeClock extends Clock {
  advance(ms: number): void
  /** Timers that are set. */
  readonly pending: number
}

export function fakeClock(): FakeClock {
  let now = 1_000
  let id = 0
  const timers = new Map<number, { readonly atMs: number; readonly run: () => void }>()
  return {
    nowMs: () => now,
    after(delayMs, run) {
      const own = (id += 1)
      timers.set(own, { atMs: now + delayMs, run })
      return () => void timers.delete(own)
    },
    advance(ms) {
      const end = now + ms
      for (;;) {
        const [next] = [...timers].sort(([, a], [, b]) => a.atMs - b.atMs)
        if (next === undefined || next[1].atMs > end) break
        timers.delete(next[0])
        now = Math.max(now, next[1].atMs)
        next[1].run()
      }
      now = end
    },
    get pending() {
      return timers.size
    },
  }
}

/** A source whose stream the test holds in its hands. */
export interface FakeSource {
  readonly source: ConfigSource
  readonly listener: ConfigListener
  readonly names: ReadonlySet<string>
  /** What the node said: `subscribe a b`, `ack 1`, `nack 2 error [names]`. */
  readonly said: readonly string[]
  /** Counts up the nonce. */
  deliver(delta: Partial<Delta>): void
}

export function fakeSource(): FakeSource {
  const names = new Set<string>()
  const said: string[] = []
  let listener: ConfigListener | undefined
  let nonce = 0
  const stream: ConfigStream = {
    subscribe(more) {
      for (const name of more) names.add(name)
      said.push(`subscribe ${more.join(' ')}`)
    },
    unsubscribe(less) {
      for (const name of less) names.delete(name)
      said.push(`unsubscribe ${less.join(' ')}`)
    },
    ack: (answered) => void said.push(`ack ${answered}`),
    nack: (answered, error, rejected = []) =>
      void said.push(`nack ${answered} ${error} [${rejected.join(' ')}]`),
    close: () => void said.push('close'),
  }
  const held = (): ConfigListener => {
    if (listener === undefined) throw new Error('the source was not opened')
    return listener
  }
  return {
    source(opened) {
      listener = opened
      return stream
    },
    get listener() {
      return held()
    },
    names,
    said,
    deliver(delta) {
      nonce += 1
      const empty = {
        nonce: String(nonce),
        version: `v${nonce}`,
        upserts: [],
        removals: [],
        absent: [],
      }
      held().onDelta({ ...empty, ...delta })
    },
  }
}
