import type { Scheduler } from '../../../src/nodeproxy/time/scheduler.ts'

export interface ManualTime extends Scheduler {
  readonly delays: readonly number[]
  /** Runs what waits, once. */
  pass(): void
}

/** A clock that only moves when the test says so. */
export function manualTime(): ManualTime {
  let waiting: { delayMs: number; run: () => void }[] = []
  return {
    after(delayMs, run) {
      const entry = { delayMs, run }
      waiting.push(entry)
      return () => {
        waiting = waiting.filter((one) => one !== entry)
      }
    },
    get delays() {
      return waiting.map(({ delayMs }) => delayMs)
    },
    pass() {
      const now = waiting
      waiting = []
      for (const { run } of now) run()
    },
  }
}
