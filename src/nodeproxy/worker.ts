// A worker thread: one reactor, and the decisions for its connections.
import { enableCompileCache, flushCompileCache } from 'node:module'

// A thread does not take this over from the one that started it.
if (process.env.NODE_COMPILE_CACHE !== undefined) enableCompileCache()
const { startWorker } = await import('./lifecycle/start-worker.ts')
startWorker()
flushCompileCache()
