import type { LabPod } from '../../src/lab/pod.ts'

/** What one pod does while another pod's latency is measured. */
export interface Storm {
  readonly name: string
  /** Verb and number of storm.c. */
  readonly verb: 'talk' | 'flood' | 'churn'
  readonly number: number
  /** Port offset of the server's end: 0 echo, 1 sink, 2 one-shot. */
  readonly portOffset: number
}

/** What came of a storm. */
export interface Blown {
  /** Answers, sends of 64 KiB, or connections. */
  readonly opsPerSecond: number
  readonly failed: number
}

export const STORMS: readonly Storm[] = [
  { name: 'connections-8000', verb: 'talk', number: 8000, portOffset: 0 },
  { name: 'streams', verb: 'flood', number: 8, portOffset: 1 },
  { name: 'connects-5000', verb: 'churn', number: 5000, portOffset: 2 },
]

const READY_TIMEOUT_MS = 60_000

/** Runs `during` while the storm blows. */
export async function inStorm<T>(
  { verb, number, portOffset }: Storm,
  binary: string,
  pod: LabPod,
  target: { readonly address: string; readonly port: number },
  during: () => Promise<T>,
): Promise<{ readonly result: T; readonly blown: Blown }> {
  const argv = [binary, verb, target.address, `${target.port + portOffset}`, `${number}`]
  const storm = pod.spawn(argv)
  try {
    await storm.waitForLine(/^ready$/, READY_TIMEOUT_MS)
    const result = await during()
    storm.stdin.end()
    const line = await storm.waitForLine(/^\{/, READY_TIMEOUT_MS)
    const { ops, failed, seconds } = JSON.parse(line) as Record<string, number>
    return { result, blown: { opsPerSecond: (ops ?? 0) / (seconds ?? 1), failed: failed ?? 0 } }
  } finally {
    await storm.stop()
  }
}
