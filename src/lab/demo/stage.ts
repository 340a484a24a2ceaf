import type { Asked } from '../apps.ts'
import type { Mesh } from '../mesh.ts'
import { waitFor } from '../process/wait.ts'
import type { ConntrackWatch } from './conntrack.ts'
import type { Report } from './report.ts'
import type { Client, Traffic } from './traffic.ts'
import type { World } from './world.ts'

/** What every part of the demo works on. */
export interface Stage {
  readonly world: World
  readonly traffic: Traffic
  readonly conntrack: ConntrackWatch
  readonly report: Report
}

export interface MeshStage extends Stage {
  readonly mesh: Mesh
}

/** Enough to see both endpoints and a steady median. */
const SAMPLE = 40
const SAMPLE_TIMEOUT_MS = 60_000

/**
 * Lets traffic run until each client has asked that often since `time`, and gives those answers.
 */
export async function sample(
  clients: readonly Client[],
  time: number,
  size = SAMPLE,
): Promise<Asked[]> {
  const since = (client: Client) => client.answers().filter(({ at }) => at >= time)
  await waitFor(
    `${size} answers of every client`,
    () => {
      for (const client of clients) {
        const exit = client.exit()
        if (exit !== undefined) throw new Error(`a client ended: ${client.stderr()}`)
      }
      return clients.every((client) => since(client).length >= size)
    },
    SAMPLE_TIMEOUT_MS,
  )
  return clients.flatMap(since)
}

/** The sum of one metric over all nodes. */
export async function metricSum(
  mesh: Mesh,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  const all = await Promise.all(mesh.proxies.map((proxy) => proxy.metrics()))
  return all.reduce((total, metrics) => total + metrics.sum(name, labels), 0)
}
