import type { Clock } from './interfaces.ts'

/** The machine's own time. Its timers keep no process alive. */
export const systemClock: Clock = {
  nowMs: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs).unref()
    return () => clearTimeout(timer)
  },
}
