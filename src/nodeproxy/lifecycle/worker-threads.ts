import { extname, join } from 'node:path'
import { Worker } from 'node:worker_threads'

/** Compiled, it is a .js file as we are. */
const program = join(import.meta.dirname, `../worker${extname(import.meta.filename)}`)

/** A thread that loads its modules, and waits to be told what it is. */
export interface WorkerThread {
  readonly worker: Worker
  /** Resolves when it has ended by itself, which it never should. */
  readonly died: Promise<Error>
}

/**
 * Begins with the threads first of all: they load while this thread opens the kernel's part. Only
 * startWorkers() gives them something to do.
 */
export function spawnWorkers(count: number): readonly WorkerThread[] {
  return Array.from({ length: count }, (_, index) => {
    const name = `sluice-worker-${index}`
    const worker = new Worker(program, { name })
    const { promise: died, resolve } = Promise.withResolvers<Error>()
    worker.on('error', (error) =>
      resolve(error instanceof Error ? error : new Error(String(error))),
    )
    worker.on('exit', (status) => resolve(new Error(`worker ${index} ended with status ${status}`)))
    return { worker, died }
  })
}
