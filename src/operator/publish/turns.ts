import type { Session } from './session.ts'

/**
 * Who is told of a change, and when. A change for few is told at once. One for many is told to some
 * in each turn of the event loop, so that what comes meanwhile for a few others, their answers and
 * new streams do not wait for all of them.
 */
export interface Turns {
  tell(sessions: Iterable<Session>): void
  forget(session: Session): void
}

/** One costs about 0.1 ms with all that the transport does. */
const perTurn = 32

export function createTurns(): Turns {
  const waiting = new Set<Session>()
  let scheduled: NodeJS.Immediate | undefined

  function turn(): void {
    scheduled = undefined
    let told = 0
    for (const session of waiting) {
      if (told === perTurn) break
      told += 1
      waiting.delete(session)
      session.changed()
    }
    schedule()
  }

  function schedule(): void {
    if (waiting.size > 0) scheduled ??= setImmediate(turn)
  }

  return {
    tell(sessions) {
      const some = [...sessions]
      if (some.length <= perTurn) for (const session of some) session.changed()
      else for (const session of some) waiting.add(session)
      schedule()
    },
    forget: (session) => void waiting.delete(session),
  }
}
