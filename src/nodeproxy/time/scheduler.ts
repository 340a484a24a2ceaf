/** Runs something later. Injected, so that tests own time. */
export interface Scheduler {
  /** @returns what cancels it */
  after(delayMs: number, run: () => void): () => void
}

export const realTime: Scheduler = {
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs)
    return () => clearTimeout(timer)
  },
}
