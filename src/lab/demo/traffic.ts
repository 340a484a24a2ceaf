import { type Asked, startAsking } from '../apps.ts'
import type { LabProcess } from '../process/process.ts'
import { type World, WHO_PORT } from './world.ts'

/** Clients that run through the whole demo. */
export interface Traffic {
  /** Answers to questions that were asked from then on, of all clients. */
  since(time: number): Asked[]
  /** Of the client that keeps one connection from before the mesh. */
  readonly kept: Client
  readonly clients: readonly Client[]
  stop(): Promise<void>
}

export type Client = LabProcess & { answers(): Asked[] }

const INTERVAL_MS = 25
/** A connection that came while no proxy answers waits for the next one. */
const PATIENCE_MS = 20_000

/** New connections to a ClusterIP in each family and to a pod's own address; and one that lasts. */
export function startTraffic({ shop, who }: World): Traffic {
  const ask = (address: string, port: number, keep = false) =>
    startAsking(shop.client, address, port, {
      intervalMs: INTERVAL_MS,
      patienceMs: PATIENCE_MS,
      keep,
    })
  const [far] = shop.servers.toReversed()
  const clients = [
    ...who.spec.clusterIPs.map((address) => ask(address, 80)),
    ask(far?.addresses.v4 ?? '', WHO_PORT),
  ]
  const kept = ask(who.spec.clusterIP, 80, true)
  const all = [...clients, kept]
  return {
    clients,
    kept,
    since: (time) => all.flatMap((client) => client.answers()).filter(({ at }) => at >= time),
    stop: async () => {
      await Promise.all(all.map((client) => client.stop()))
    },
  }
}

/** Median of new connections' time from connect to answer, in microseconds. */
export function medianUs(answers: readonly Asked[]): number {
  const times = answers
    .filter(({ ok }) => ok)
    .map(({ us }) => us)
    .sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)] ?? Number.NaN
}

/** Names of those who answered, with how often. */
export function whoAnswered(answers: readonly Asked[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const one of answers) {
    if (one.ok) counts[one.answer.name] = (counts[one.answer.name] ?? 0) + 1
  }
  return counts
}

/** Questions that were not answered. */
export function failures(answers: readonly Asked[]): Asked[] {
  return answers.filter(({ ok }) => !ok)
}

/** Also what was asked earlier and answered, or not, only then. `at` is rounded to milliseconds. */
export function endedSince(answers: readonly Asked[], time: number): Asked[] {
  return answers.filter(({ at, us }) => at + us / 1000 + 1 >= time)
}
