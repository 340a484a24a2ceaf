import type { Scheduler } from '../time/scheduler.ts'

export interface AskerOptions {
  /**
   * Sends one question to whoever keeps configuration; it counts against `requester`, a pod's uid.
   */
  readonly send: (ip: string, requester: string) => void
  readonly scheduler: Scheduler
  readonly timeoutMs: number
  /** Questions that may be open at once: a pod that scans addresses grows nothing. */
  readonly maxOpen: number
}

export type AskOutcome = 'answered' | 'timeout' | 'full'

/** Asks for an address once, however many connections wait for the answer. */
export interface Asker {
  /** Calls back once: never before this call returns, except with `full`. */
  ask(ip: string, requester: string, callback: (outcome: AskOutcome) => void): void
  /** The tables know this address now; or, `timeout`, nobody can say. */
  settled(ip: string, outcome: 'answered' | 'timeout'): void
  readonly stats: { readonly asked: number; readonly timeouts: number; readonly full: number }
  readonly open: number
}

interface Question {
  readonly callbacks: ((outcome: AskOutcome) => void)[]
  readonly cancel: () => void
}

export function createAsker(options: AskerOptions): Asker {
  const questions = new Map<string, Question>()
  const stats = { asked: 0, timeouts: 0, full: 0 }

  function finish(ip: string, outcome: AskOutcome): void {
    const question = questions.get(ip)
    if (question === undefined) return
    questions.delete(ip)
    question.cancel()
    for (const callback of question.callbacks) callback(outcome)
  }

  return {
    ask(ip, requester, callback) {
      const known = questions.get(ip)
      if (known !== undefined) {
        known.callbacks.push(callback)
        return
      }
      if (questions.size >= options.maxOpen) {
        stats.full += 1
        callback('full')
        return
      }
      const cancel = options.scheduler.after(options.timeoutMs, () => {
        stats.timeouts += 1
        finish(ip, 'timeout')
      })
      questions.set(ip, { callbacks: [callback], cancel })
      stats.asked += 1
      options.send(ip, requester)
    },
    settled: finish,
    stats,
    get open() {
      return questions.size
    },
  }
}
