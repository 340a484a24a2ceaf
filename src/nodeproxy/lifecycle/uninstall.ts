import { rmdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { connectKeeper } from '../keeper/connection.ts'
import { nodeDir } from '../kernel/pins.ts'
import { removeNode } from '../kernel/unload.ts'
import { loadNative, type Native } from '../native.ts'
import type { GivenOptions } from './options.ts'

/**
 * Takes every hook, map, pin, kept listener and state file of this node away: new connections go
 * direct from here on. Connections that are proxied end with their proxy.
 */
export async function uninstallNode(options: GivenOptions): Promise<void> {
  const native = loadNative()
  removeNode(native, nodeDir(options.bpffs, options.node))
  await endKeeper(options, native)
  for (const socket of [options.keeperSocket, options.takeoverSocket ?? options.keeperSocket]) {
    rmSync(socket, { force: true })
    removeIfEmpty(dirname(socket))
  }
  rmSync(options.state, { recursive: true, force: true })
}

/** Ours alone when nothing is left in it; others' files stay. */
function removeIfEmpty(directory: string): void {
  try {
    rmdirSync(directory)
  } catch {
    // It is gone already, holds something, or is a mount.
  }
}

async function endKeeper({ keeperSocket }: GivenOptions, native: Native): Promise<void> {
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
