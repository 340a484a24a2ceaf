import type { DeltaRequest } from '../../model/wire/request-message.ts'

/** Changes of subscriptions that are made in one turn of the event loop, as one request. */
export interface PendingRequest {
  subscribe(names: readonly string[]): void
  unsubscribe(names: readonly string[]): void
  /** Sent at once, with the changes that wait. */
  answer(answer: Pick<DeltaRequest, 'nonce' | 'error'>): void
  stop(): void
}

export function createPendingRequest(send: (request: DeltaRequest) => void): PendingRequest {
  const joined = new Set<string>()
  const left = new Set<string>()
  let scheduled: NodeJS.Immediate | undefined

  function take(): DeltaRequest {
    clearImmediate(scheduled)
    scheduled = undefined
    const request = {
      ...(joined.size > 0 ? { subscribe: [...joined] } : {}),
      ...(left.size > 0 ? { unsubscribe: [...left] } : {}),
    }
    joined.clear()
    left.clear()
    return request
  }

  function move(names: readonly string[], from: Set<string>, to: Set<string>): void {
    for (const name of names) {
      from.delete(name)
      to.add(name)
    }
    if (names.length > 0) scheduled ??= setImmediate(() => send(take()))
  }

  return {
    subscribe: (names) => move(names, left, joined),
    unsubscribe: (names) => move(names, joined, left),
    answer: (answer) => send({ ...take(), ...answer }),
    stop: () => void take(),
  }
}
