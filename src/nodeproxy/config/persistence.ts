import type { Clock } from './interfaces.ts'
import type { StateFile, StoredState } from './state-file.ts'

/** Writes the state a little after it changed, never twice at once. */
export interface Persistence {
  changed(): void
  /** Writes what is not written yet. */
  close(): Promise<void>
}

export interface PersistenceOptions {
  /** Undefined: nothing is kept. */
  readonly file: StateFile | undefined
  readonly clock: Clock
  /**
   * From a change to its write, and from one write to the next at least: writing takes the node's
   * time.
   */
  readonly delayMs: number
  readonly intervalMs: number
  readonly state: () => StoredState
  readonly onError: (error: Error) => void
}

export function createPersistence(options: PersistenceOptions): Persistence {
  const { file, clock, delayMs, intervalMs, state, onError } = options
  if (file === undefined) return { changed: () => {}, close: async () => {} }
  let pending: (() => void) | undefined
  let nextMs = clock.nowMs()
  let writing: Promise<void> = Promise.resolve()

  function write(): void {
    pending = undefined
    nextMs = clock.nowMs() + intervalMs
    writing = writing
      .then(async () => options.file?.save(state()))
      .catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))))
  }

  return {
    changed() {
      pending ??= clock.after(Math.max(delayMs, nextMs - clock.nowMs()), write)
    },
    async close() {
      if (pending !== undefined) {
        pending()
        write()
      }
      await writing
    },
  }
}
