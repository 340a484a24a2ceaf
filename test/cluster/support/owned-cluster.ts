import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import type { Cluster } from '../../../scripts/cluster/cluster.ts'
import { removeCluster } from '../../../scripts/cluster/down.ts'
import { createCluster } from '../../../scripts/cluster/up.ts'
import { root } from '../../../scripts/tools.ts'

/** A cluster that goes when its owner goes. */
export interface OwnedCluster extends Cluster {
  close(): Promise<void>
}

/**
 * Makes a cluster for one test file. However that ends, SIGKILL included, a process beside it takes
 * the cluster down.
 */
export async function createOwnedCluster(name: string): Promise<OwnedCluster> {
  const program = join(root, 'scripts/cluster/janitor.ts')
  // In a session of its own: what ends our process group must not end the janitor.
  const janitor = spawn(process.execPath, [program, name], {
    detached: true,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  janitor.unref()
  const ended = once(janitor, 'exit')
  const dismiss = async () => {
    // Else nothing would keep this process waiting, and what follows would not run.
    janitor.ref()
    janitor.stdin.end('down\n')
    await ended
  }
  try {
    const cluster = await createCluster(name, (message) => process.stderr.write(`${message}\n`))
    const close = async () => {
      await removeCluster(name)
      await dismiss()
    }
    return { ...cluster, close }
  } catch (error) {
    await dismiss()
    throw error
  }
}
