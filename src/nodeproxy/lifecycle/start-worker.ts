import { parentPort, workerData } from 'node:worker_threads'
import { loadNative } from '../native.ts'
import { handleMessage } from './worker-commands.ts'
import type { FromWorker, ToWorker, WorkerOptions } from './worker-messages.ts'
import { createWorkerRuntime } from './worker-runtime.ts'

/** Serves the main thread's messages until it says stop. */
export function startWorker(): void {
  const port = parentPort
  if (port === null) throw new Error('this is for worker threads of the node proxy alone')
  const post = (message: FromWorker): void => port.postMessage(message)
  const worker = createWorkerRuntime(workerData as WorkerOptions, loadNative(), post)
  port.on('message', (message: ToWorker) => {
    handleMessage(worker, message)
    if (message.kind === 'stop') port.close()
  })
  post({ kind: 'ready' })
}
