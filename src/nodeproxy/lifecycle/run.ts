import { createReportSupply } from '../report/report-feed.ts'
import type { NodeLog } from '../telemetry/log.ts'
import { openGeneration } from './generation.ts'
import { serve } from './node-proxy.ts'
import { openConfig } from './open-config.ts'
import type { NodeProxyOptions } from './options.ts'
import { openParts } from './parts.ts'
import type { Phases } from './phases.ts'
import type { WorkerThread } from './worker-threads.ts'

export interface RunContext {
  readonly log: NodeLog
  readonly phases: Phases
  /** Called once the node is served. */
  readonly onServing: () => void
}

/**
 * Runs until a signal, or a successor, has ended it in order.
 * @throws Error when it cannot start or cannot go on
 */
export async function runNodeProxy(
  options: NodeProxyOptions,
  threads: readonly WorkerThread[],
  { log, phases, onServing }: RunContext,
): Promise<void> {
  const generation = openGeneration(options)
  phases.end('kernel')
  const { kernel, stopHeartbeat } = generation
  const ended = Promise.withResolvers<void>()
  const onFatal = endAtOnce(log)
  process.on('uncaughtException', onFatal)
  await using undo = new AsyncDisposableStack()
  undo.defer(() => kernel.close())
  undo.defer(stopHeartbeat)
  const reportSupply = createReportSupply()
  const store = openConfig(options, log, reportSupply)
  undo.defer(() => store.close())
  phases.end('configuration')
  const base = { ...generation, options, log, phases, store, reportSupply }
  const parts = await openParts(base, threads, undo, onFatal)
  const told = Promise.withResolvers<void>()
  // A pod whose process ends is started again: one that has a successor waits for its own end.
  const mayEnd = options.takeoverSocket === undefined ? Promise.resolve() : told.promise
  const proxy = await serve(parts, undo, mayEnd)
  onServing()
  const onSignal = (signal: NodeJS.Signals): void => {
    log.logger.info({ signal }, 'stopping')
    told.resolve()
    void proxy.drain().then(ended.resolve, ended.reject)
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, onSignal)
  if (options.takeoverSocket === undefined) void proxy.drained.then(ended.resolve, ended.reject)
  await ended.promise
}

/**
 * What cannot go on ends without cleaning up: its heartbeat stops with it, the keeper has its
 * listeners, and the next process finds everything where it is after a crash.
 */
function endAtOnce(log: NodeLog): (error: Error) => void {
  return (error) => {
    log.logger.fatal({ stack: error.stack }, `ending at once: ${error.message}`)
    log.flush()
    process.exit(1)
  }
}
