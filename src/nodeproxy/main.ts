// One node's proxy: `nodeproxy --node NAME …`. See lifecycle/options.ts for its flags.
import { CommanderError } from 'commander'
import { type NodeProxyOptions, parseOptions } from './lifecycle/options.ts'
import { runNodeProxy } from './lifecycle/run.ts'
import { uninstallNode } from './lifecycle/uninstall.ts'
import { createLog, type NodeLog } from './telemetry/log.ts'

/** Exit status of wrong flags, as sysexits.h has it. */
const usageStatus = 64

function readOptions(): NodeProxyOptions | undefined {
  try {
    return parseOptions(process.argv.slice(2))
  } catch (error) {
    // Commander has said what is wrong; --help ends here too.
    process.exitCode = error instanceof CommanderError && error.exitCode === 0 ? 0 : usageStatus
    return undefined
  }
}

async function run(options: NodeProxyOptions, log: NodeLog): Promise<void> {
  try {
    if (options.uninstall) await uninstallNode(options, log)
    else await runNodeProxy(options, log)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    log.logger.fatal({ cause: error instanceof Error ? error.cause : undefined }, message)
    process.exitCode = 1
  }
  log.flush()
}

const options = readOptions()
if (options !== undefined) {
  await run(options, createLog(options.node, options.logLevel))
  // Worker threads and descriptors that are still open end with the process.
  process.exit()
}
