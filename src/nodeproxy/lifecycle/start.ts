import { UsageError } from './flags.ts'
import { findNodeCgroups } from './find-cgroups.ts'
import { type GivenOptions, type NodeProxyOptions, parseOptions } from './options.ts'
import { recordPhases } from './phases.ts'
import { spawnWorkers } from './worker-threads.ts'

/** Exit status of wrong flags, as sysexits.h has it. */
const usageStatus = 64

/**
 * Runs the process that the arguments describe to its end, and sets its exit status.
 *
 * @param onServing called once the node is served
 */
export async function start(argv: readonly string[], onServing: () => void): Promise<void> {
  const options = readOptions(argv)
  if (options === undefined) return
  try {
    if (options.uninstall) {
      const { uninstallNode } = await import('./uninstall.ts')
      await uninstallNode(options)
    } else if (options.withdraw) {
      const { withdrawNode } = await import('./takeover.ts')
      await withdrawNode(options)
    } else await serveNode(withCgroups(options), onServing)
  } catch (error) {
    await report(options, error)
    process.exitCode = 1
  }
}

function withCgroups(given: GivenOptions): NodeProxyOptions {
  const { kubepods, kubeletCgroup, proc } = given
  if (kubepods !== undefined) return { ...given, kubepods }
  const found = findNodeCgroups(proc)
  return { ...given, kubepods: found.kubepods, kubeletCgroup: kubeletCgroup ?? found.kubelet }
}

async function serveNode(options: NodeProxyOptions, onServing: () => void): Promise<void> {
  const phases = recordPhases(() => performance.now())
  phases.end('boot')
  const threads = spawnWorkers(options.workers)
  const { createLog } = await import('../telemetry/log.ts')
  const { runNodeProxy } = await import('./run.ts')
  phases.end('imports')
  const log = createLog(options.node, options.logLevel)
  try {
    await runNodeProxy(options, threads, { log, phases, onServing })
  } finally {
    log.flush()
  }
}

function readOptions(argv: readonly string[]): GivenOptions | undefined {
  try {
    return parseOptions(argv)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.exitCode = error.isHelp ? 0 : usageStatus
    return undefined
  }
}

async function report({ node, logLevel }: GivenOptions, error: unknown): Promise<void> {
  const { createLog } = await import('../telemetry/log.ts')
  const { message, stack } = error instanceof Error ? error : new Error(String(error))
  const log = createLog(node, logLevel)
  log.logger.fatal(message)
  log.logger.debug({ stack }, 'where that was')
  log.flush()
}
