// A worker thread: one reactor, and the decisions for its connections.
import { parentPort, workerData } from 'node:worker_threads'
import { handleMessage } from './lifecycle/worker-commands.ts'
import type { FromWorker, ToWorker, WorkerOptions } from './lifecycle/worker-messages.ts'
import { createWorkerRuntime } from './lifecycle/worker-runtime.ts'
import { loadNative } from './native.ts'

const port = parentPort
if (port === null) throw new Error('worker.ts runs as a worker thread of main.ts alone')
const post = (message: FromWorker): void => port.postMessage(message)
const worker = createWorkerRuntime(workerData as WorkerOptions, loadNative(), post)
port.on('message', (message: ToWorker) => {
  handleMessage(worker, message)
  if (message.kind === 'stop') port.close()
})
post({ kind: 'ready' })
