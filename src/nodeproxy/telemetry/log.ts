import { type Logger, pino } from 'pino'
import type { LogLevel } from '../lifecycle/options.ts'

export interface NodeLog {
  readonly logger: Logger
  /** Complete lines of workers; dropped, and counted, when nobody reads the output. */
  writeLines(lines: string): void
  readonly droppedLines: number
  /** Writes what is left; for the end of the process. */
  flush(): void
}

/** Nobody reads: above this, access lines are dropped, for the proxy must not wait for its log. */
const maxBufferedBytes = 16 << 20

/**
 * JSON lines on standard output. Names of pods and addresses are logged; bodies and credentials
 * never.
 */
export function createLog(node: string, level: LogLevel): NodeLog {
  const destination = pino.destination({ dest: 1, sync: false, maxLength: maxBufferedBytes })
  let droppedLines = 0
  destination.on('drop', () => {
    droppedLines += 1
  })
  // The reader went away (EPIPE): there is nobody left to tell.
  destination.on('error', () => {})
  const logger = pino({ base: { node }, level }, destination)
  return {
    logger,
    writeLines(lines) {
      if (lines !== '') destination.write(lines)
    },
    get droppedLines() {
      return droppedLines
    },
    flush() {
      try {
        destination.flushSync()
      } catch {
        // It is not open yet or not any more.
      }
    },
  }
}
