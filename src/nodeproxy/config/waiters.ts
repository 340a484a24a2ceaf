import type { Clock, Resolution } from './interfaces.ts'

/**
 * Who waits for the answer to an address: all of them for one question, each at most until its
 * deadline.
 */
export interface Waiters {
  /** Undefined where nobody waits for that address: begin() first. */
  join(ip: string): Promise<Resolution> | undefined
  /** @returns undefined when this requester has too many questions open */
  begin(ip: string, requester: string): Promise<Resolution> | undefined
  settle(ip: string, resolution: Resolution): void
  settleAll(resolution: Resolution): void
  readonly size: number
}

interface Question {
  readonly requester: string
  readonly promise: Promise<Resolution>
  readonly resolve: (resolution: Resolution) => void
  readonly cancel: () => void
}

export interface WaiterOptions {
  readonly clock: Clock
  readonly waitMs: number
  readonly perRequester: number
  readonly onTimeout: (ip: string) => void
}

export function createWaiters(options: WaiterOptions): Waiters {
  const { clock, waitMs, perRequester, onTimeout } = options
  const questions = new Map<string, Question>()
  const open = new Map<string, number>()

  function settle(ip: string, resolution: Resolution): void {
    const question = questions.get(ip)
    if (question === undefined) return
    questions.delete(ip)
    const left = (open.get(question.requester) ?? 1) - 1
    if (left === 0) open.delete(question.requester)
    else open.set(question.requester, left)
    question.cancel()
    question.resolve(resolution)
  }

  return {
    join: (ip) => questions.get(ip)?.promise,
    begin(ip, requester) {
      const count = open.get(requester) ?? 0
      if (count >= perRequester) return undefined
      open.set(requester, count + 1)
      const { promise, resolve } = Promise.withResolvers<Resolution>()
      const cancel = clock.after(waitMs, () => {
        onTimeout(ip)
        settle(ip, { state: 'unanswered', reason: `no answer within ${waitMs} ms` })
      })
      questions.set(ip, { requester, promise, resolve, cancel })
      return promise
    },
    settle,
    settleAll(resolution) {
      for (const ip of questions.keys()) settle(ip, resolution)
    },
    get size() {
      return questions.size
    },
  }
}
