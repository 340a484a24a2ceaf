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
  readonly delayMs: number
  readonly state: () => StoredState
  readonly onError: (error: Error) => void
}

export function createPersistence(options: PersistenceOptions): Persistence {
  const { file, clock, delayMs, state, onError } = options
  if (file === undefined) return { changed: () => {}, close: async () => {} }
  let pending: (() => void) | undefined
  let writing: Promise<void> = Promise.resolve()

  function write(): void {
    pending = undefined
    writing = writing
      .then(async () => options.file?.save(state()))
      .catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))))
  }

  return {
    changed() {
      pending ??= clock.after(delayMs, write)
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
