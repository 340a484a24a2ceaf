import { readFileSync } from 'node:fs'
import type { IdleMemory } from './report.ts'
import type { PeerPods } from './world.ts'

const GENERATOR_TIMEOUT_MS = 60_000

/**
 * Private memory of the processes in the path, before and while the client holds that many
 * connections, and after one such round, so that what an allocator keeps for reuse is not counted
 * as a connection's.
 */
export async function measureIdleMemory(
  pods: PeerPods,
  load: string,
  connections: number,
  pidsInPath: () => readonly number[],
): Promise<IdleMemory> {
  const { address, port } = pods.target['same-node']
  const before = privateBytes(pidsInPath())
  const argv = [load, 'hold', address, `${port}`, `${connections}`]
  const holder = pods.client.spawn(argv)
  const line = await holder.waitForLine(/open/, GENERATOR_TIMEOUT_MS)
  const { open, failed } = JSON.parse(line) as { open: number; failed: number }
  if (failed > 0) throw new Error(`${pods.peer}: ${failed} of ${open + failed} connections failed`)
  const during = privateBytes(pidsInPath())
  holder.stdin.end()
  await holder.exited
  return {
    peer: pods.peer,
    connections: open,
    userBytesPerConnection: Math.round((during - before) / open),
  }
}

/**
 * Private_Clean and Private_Dirty of smaps_rollup (Documentation/filesystems/proc.rst), in bytes.
 */
function privateBytes(pids: readonly number[]): number {
  let kilobytes = 0
  for (const pid of pids) {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    for (const match of text.matchAll(/^Private_(?:Clean|Dirty): +(\d+) kB$/gm)) {
      kilobytes += Number(match[1])
    }
  }
  return kilobytes * 1024
}
