/** Ctrl-C while something has to be cleaned up first. */
export interface Interruption extends Disposable {
  /** Raised by the first of them. */
  readonly signal: AbortSignal
}

/** As a shell says it of a program that Ctrl-C has ended. */
export const interruptedStatus = 130

/** From here on, until it is disposed, the first signal asks to end and the second one ends. */
export function listenForInterruption(): Interruption {
  const abort = new AbortController()
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const onSignal = () => {
    if (abort.signal.aborted) process.exit(interruptedStatus)
    abort.abort(new Error('interrupted'))
  }
  for (const name of names) process.on(name, onSignal)
  return {
    signal: abort.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, onSignal)
    },
  }
}
