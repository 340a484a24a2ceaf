import { realTime, type Scheduler } from '../time/scheduler.ts'

/** `again`: the work is not finished, run it once more after this time even if nothing happens. */
export type WorkResult = { readonly done: true } | { readonly againAfterMs: number }

export interface WorkQueueOptions {
  readonly work: (key: string) => Promise<WorkResult>
  readonly onError: (key: string, error: unknown, retryInMs: number) => void
  readonly scheduler?: Scheduler
  readonly firstRetryMs?: number
  readonly maxRetryMs?: number
  readonly concurrency?: number
}

/**
 * Level-triggered work, one key at a time: any number of add() calls for a key leads to one run
 * that starts after the last of them. A run that throws is repeated with exponential back-off.
 */
export interface WorkQueue {
  add(key: string): void
  /** Resolves when nothing is running or waiting to run now; delayed repeats do not count. */
  idle(): Promise<void>
  close(): Promise<void>
}

interface Delay {
  cancel: () => void
  failures: number
}

export function createWorkQueue(options: WorkQueueOptions): WorkQueue {
  const scheduler = options.scheduler ?? realTime
  const firstRetryMs = options.firstRetryMs ?? 50
  const maxRetryMs = options.maxRetryMs ?? 10_000
  const concurrency = options.concurrency ?? 16
  const waiting = new Set<string>()
  const running = new Set<string>()
  const delays = new Map<string, Delay>()
  let idleWaiters: (() => void)[] = []
  let closed = false

  function later(key: string, delayMs: number, failures: number): void {
    if (closed) return
    const cancel = scheduler.after(delayMs, () => {
      waiting.add(key)
      pump()
    })
    delays.set(key, { cancel, failures })
  }

  async function runOne(key: string): Promise<void> {
    const failures = delays.get(key)?.failures ?? 0
    delays.get(key)?.cancel()
    delays.delete(key)
    try {
      const result = await options.work(key)
      if ('againAfterMs' in result) later(key, result.againAfterMs, 0)
    } catch (error) {
      const retryInMs = Math.min(firstRetryMs * 2 ** failures, maxRetryMs)
      options.onError(key, error, retryInMs)
      later(key, retryInMs, failures + 1)
    }
    running.delete(key)
    pump()
  }

  function pump(): void {
    for (const key of waiting) {
      if (closed || running.size >= concurrency) break
      if (running.has(key)) continue
      waiting.delete(key)
      running.add(key)
      void runOne(key)
    }
    if (running.size > 0 || (waiting.size > 0 && !closed)) return
    const waiters = idleWaiters
    idleWaiters = []
    for (const resolve of waiters) resolve()
  }

  function idle(): Promise<void> {
    if (running.size === 0 && (waiting.size === 0 || closed)) return Promise.resolve()
    return new Promise((resolve) => idleWaiters.push(resolve))
  }

  return {
    add(key) {
      if (closed) return
      waiting.add(key)
      pump()
    },
    idle,
    async close() {
      closed = true
      for (const { cancel } of delays.values()) cancel()
      delays.clear()
      await idle()
    },
  }
}
