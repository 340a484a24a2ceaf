import type { MeshSettings } from '../../model/resources.ts'
import type { Kernel } from '../kernel/kernel.ts'
import type { NodeProxyOptions } from './options.ts'
import type { WorkerOptions, WorkerSettings } from './worker-messages.ts'

/** What workers are told of the mesh's settings; before there are any, the open choice. */
export function workerSettings(
  options: NodeProxyOptions,
  mesh: MeshSettings | undefined,
): WorkerSettings {
  return {
    outside: mesh?.outside ?? 'allow',
    // Two that do not answer cost less than a second, the first time that a SYN is sent again.
    connectTimeoutMs: 400,
    onlyConnectTimeoutMs: 30_000,
    maxAttempts: 3,
    resolveTimeoutMs: 500,
    maxOpenQuestions: 4_096,
    accessSample: options.accessLog,
  }
}

/** Each worker has its own share of the generation's pair slots. */
export function workerOptions(
  options: NodeProxyOptions,
  kernel: Kernel,
  generation: number,
  mesh: MeshSettings | undefined,
  slotsInUse: readonly number[],
): readonly WorkerOptions[] {
  const share = Math.floor(kernel.pairSlotsPerGeneration / options.workers)
  const first = generation * kernel.pairSlotsPerGeneration
  return Array.from({ length: options.workers }, (_, index) => ({
    index,
    node: options.node,
    generation,
    fds: kernel.fds,
    pairLimitBytes: kernel.settings().pairLimitBytes,
    slots: { first: first + index * share, count: share, inUse: slotsInUse },
    maxConnections: options.maxConnections,
    limits: { connections: options.podConnections, bufferedBytes: options.podBufferBytes },
    settings: workerSettings(options, mesh),
  }))
}
