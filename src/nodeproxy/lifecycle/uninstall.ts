import { rmSync } from 'node:fs'
import { connectKeeper } from '../keeper/connection.ts'
import { nodeDir } from '../kernel/pins.ts'
import { removeNode } from '../kernel/unload.ts'
import { loadNative, type Native } from '../native.ts'
import type { NodeProxyOptions } from './options.ts'

/**
 * Takes every hook, map, pin, kept listener and state file of this node away: new connections go
 * direct from here on. Connections that are proxied end with their proxy.
 */
export async function uninstallNode(options: NodeProxyOptions): Promise<void> {
  const native = loadNative()
  removeNode(native, nodeDir(options.bpffs, options.node))
  await endKeeper(options, native)
  rmSync(options.keeperSocket, { force: true })
  rmSync(options.state, { recursive: true, force: true })
}

async function endKeeper({ keeperSocket }: NodeProxyOptions, native: Native): Promise<void> {
  const gone = Promise.withResolvers<void>()
  try {
    const { pid } = await connectKeeper(native, keeperSocket, 0, () => gone.resolve())
    process.kill(pid, 'SIGTERM')
  } catch {
    // Nobody is there.
    return
  }
  await gone.promise
}
