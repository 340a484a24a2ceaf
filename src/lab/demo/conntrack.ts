import type { LabNode } from '../node.ts'
import type { LabPod } from '../pod.ts'
import { type LabProcess } from '../process/process.ts'

/** One entry that the kernel made, as conntrack(8) prints it. */
export interface Entry {
  readonly from: string
  readonly to: string
  /** Address translation: answers come from somewhere else, or go there. */
  readonly translated: boolean
  /**
   * The kernel gave it another source port alone: a closed connection of before the mesh, which was
   * translated to the same server, still has that one.
   */
  readonly portClash: boolean
  /** The same for a connection on all nodes that it crosses. */
  readonly flow: string
}

export interface ConntrackWatch {
  /** TCP entries of connections that these pods opened, since `mark` of before. */
  entriesOf(pods: readonly LabPod[], since: Mark): Entry[]
  mark(): Mark
}

/** How many lines each node had. */
export type Mark = readonly number[]

/**
 * Follows each entry as it is made: a look at the table now and then would miss those that are
 * gone. Resolves when both nodes are watched.
 */
export async function watchConntrack(nodes: readonly LabNode[]): Promise<ConntrackWatch> {
  const watches = nodes.map((node) =>
    node.spawn(['conntrack', '-E', '-e', 'NEW', '-p', 'tcp', '-o', 'extended', '-b', '8388608']),
  )
  await Promise.all(watches.map((watch, index) => isWatching(watch, nodes[index] as LabNode)))
  return {
    mark: () => watches.map((watch) => watch.lines().length),
    entriesOf: (pods, since) => {
      const own = new Set(pods.flatMap(({ addresses: { v4, v6 } }) => [v4, v6]))
      return watches
        .flatMap((watch, index) => watch.lines().slice(since[index]))
        .flatMap((line) => parseEntry(line) ?? [])
        .filter(({ from }) => own.has(from))
    },
  }
}

/** It says nothing when it begins; so we cause entries until one is seen. */
async function isWatching(watch: LabProcess, node: LabNode): Promise<void> {
  const probe = async (): Promise<void> => {
    if (watch.lines().length > 0 || watch.exit() !== undefined) return
    // Nobody listens there; the refusal is an entry all the same.
    await node.exec(['curl', '-s', '--max-time', '1', `http://${node.addresses.v4}:9`], {
      check: false,
    })
    await probe()
  }
  await Promise.all([watch.waitForLine(/NEW/), probe()])
}

/**
 * `[NEW] ipv4 2 tcp 6 120 SYN_SENT src=A dst=B sport=1 dport=2 [UNREPLIED] src=B dst=A sport=2
 * dport=1`.
 */
export function parseEntry(line: string): Entry | undefined {
  const values = (name: string) =>
    [...line.matchAll(new RegExp(`\\b${name}=(\\S+)`, 'g'))].map(([, value = '']) => value)
  const [src, replySrc] = values('src')
  const [dst, replyDst] = values('dst')
  const [sport, replySport] = values('sport')
  const [dport, replyDport] = values('dport')
  if (src === undefined || dst === undefined || replyDport === undefined) return undefined
  const translated = src !== replyDst || dst !== replySrc || dport !== replySport
  const portClash = !translated && sport !== replyDport
  return { from: src, to: dst, translated, portClash, flow: `${src} ${sport} ${dst} ${dport}` }
}
