import { parentPort } from 'node:worker_threads'
import { loadNative } from '../native.ts'
import { handleMessage } from './worker-commands.ts'
import type { FromWorker, ToWorker } from './worker-messages.ts'
import { createWorkerRuntime, type WorkerRuntime } from './worker-runtime.ts'

/** Serves the main thread's messages until it says stop. */
export function startWorker(): void {
  const port = parentPort
  if (port === null) throw new Error('this is for worker threads of the node proxy alone')
  const post = (message: FromWorker): void => port.postMessage(message)
  const native = loadNative()
  let worker: WorkerRuntime | undefined
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'start') {
      worker = createWorkerRuntime(message.options, native, post)
      post({ kind: 'ready' })
    } else if (worker !== undefined) handleMessage(worker, message)
    if (message.kind === 'stop') port.close()
  })
}
