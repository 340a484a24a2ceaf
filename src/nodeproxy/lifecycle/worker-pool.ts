import { once } from 'node:events'
import type { Worker } from 'node:worker_threads'
import type { FromWorker, ToWorker, WorkerOptions, WorkerReport } from './worker-messages.ts'
import type { WorkerThread } from './worker-threads.ts'

export interface WorkerPoolHandlers {
  readonly onAsk: (worker: number, ip: string, podUid: string) => void
  readonly onReport: (worker: number, report: WorkerReport) => void
  readonly onListener: (worker: number, event: FromWorker & { kind: 'listener' }) => void
  readonly onNetnsFailed: (worker: number, event: FromWorker & { kind: 'netnsFailed' }) => void
  readonly onFault: (worker: number, event: FromWorker & { kind: 'fault' }) => void
  /** A worker ended by itself. Its connections are lost, so the process had better start anew. */
  readonly onDied: (worker: number, error: Error) => void
}

export interface WorkerPool {
  readonly size: number
  send(worker: number, message: ToWorker): void
  sendAll(message: ToWorker): void
  /** Sends to all, and resolves when each has done it. */
  request(make: (request: number) => ToWorker): Promise<void>
  /** Asks all for their reports, which go to onReport; resolves when all have come. */
  collect(): Promise<void>
  /** Ends all workers; what they still proxy is reset. */
  close(): Promise<void>
}

interface State {
  readonly handlers: WorkerPoolHandlers
  readonly workers: readonly Worker[]
  readonly pending: Map<number, { left: number; resolve: () => void }>
  nextRequest: number
  closing: boolean
}

/**
 * Makes these threads workers and resolves when all of them are ready.
 * @param options one for each thread
 */
export async function startWorkers(
  threads: readonly WorkerThread[],
  options: readonly WorkerOptions[],
  handlers: WorkerPoolHandlers,
): Promise<WorkerPool> {
  const workers = threads.map(({ worker }) => worker)
  const state: State = { handlers, workers, pending: new Map(), nextRequest: 1, closing: false }
  await Promise.all(
    threads.map((thread, index) => {
      const told = options[index]
      if (told === undefined) throw new RangeError(`worker ${index} has no options`)
      return startWorker(state, index, thread, told)
    }),
  )
  const sendAll = (message: ToWorker): void => {
    for (const worker of state.workers) post(worker, message)
  }
  const request = (make: (request: number) => ToWorker): Promise<void> =>
    new Promise((resolve) => {
      const number = state.nextRequest++
      state.pending.set(number, { left: state.workers.length, resolve })
      sendAll(make(number))
    })
  return {
    size: state.workers.length,
    send: (worker, message) => post(state.workers[worker], message),
    sendAll,
    request,
    collect: () => request((number) => ({ kind: 'report', request: number })),
    async close() {
      state.closing = true
      const running = state.workers.filter(({ threadId }) => threadId !== -1)
      const ended = running.map((worker) => once(worker, 'exit'))
      sendAll({ kind: 'stop' })
      await Promise.all(ended)
    },
  }
}

async function startWorker(
  state: State,
  index: number,
  { worker, died }: WorkerThread,
  options: WorkerOptions,
): Promise<void> {
  const started = Promise.withResolvers<void>()
  worker.on('message', (message: FromWorker) => {
    if (message.kind === 'ready') started.resolve()
    else receive(state, index, message)
  })
  const watchItsEnd = async (): Promise<void> => {
    const error = await died
    started.reject(error)
    if (!state.closing) state.handlers.onDied(index, error)
  }
  void watchItsEnd()
  post(worker, { kind: 'start', options })
  await started.promise
}

function receive(state: State, index: number, message: FromWorker): void {
  const { handlers } = state
  switch (message.kind) {
    case 'ready':
      return
    case 'applied':
      settle(state, message.request)
      return
    case 'report':
      handlers.onReport(index, message.report)
      settle(state, message.request)
      return
    case 'ask':
      handlers.onAsk(index, message.ip, message.podUid)
      return
    case 'affinity':
      state.workers.forEach((worker, other) => {
        if (other !== index) post(worker, message)
      })
      return
    case 'listener':
      handlers.onListener(index, message)
      return
    case 'fault':
      handlers.onFault(index, message)
      return
    case 'netnsFailed':
      handlers.onNetnsFailed(index, message)
  }
}

/** A thread has no origin; the list of what is transferred says that a thread is meant. */
function post(worker: Worker | undefined, message: ToWorker): void {
  worker?.postMessage(message, [])
}

function settle(state: State, request: number): void {
  const pending = state.pending.get(request)
  if (pending === undefined) return
  pending.left -= 1
  if (pending.left > 0) return
  state.pending.delete(request)
  pending.resolve()
}
