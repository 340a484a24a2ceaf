import { Registry } from 'prom-client'
import type { AdminSources } from '../admin/admin.ts'
import type { HttpListener } from '../admin/http.ts'
import { registerNodeMetrics } from '../telemetry/node-metrics.ts'
import { istioMetrics } from '../telemetry/registry.ts'
import { monotonicMs } from '../time/clock.ts'
import { processFacts } from './node-facts.ts'
import type { LogLevel } from './options.ts'
import type { Parts } from './parts.ts'
import { nodeState, notAccelerated, notReady } from './report-state.ts'
import { openPorts } from './serve-http.ts'

/** How often workers hand over what they have counted. */
const reportMs = 1_000
const sweepMs = 30_000
const hooksMs = 5_000
const idleSeriesMs = 3_600_000

/**
 * Everything that tells of the traffic: reports of the workers, metrics, the admin port.
 *
 * @param startDrain resolves when a successor may take over pods and kernel
 * @returns the ports, which are closed with `undo` at the latest
 */
export async function openReporting(
  parts: Parts,
  startDrain: () => Promise<void>,
  undo: AsyncDisposableStack,
): Promise<readonly HttpListener[]> {
  const { options, pool, publisher, late } = parts
  const registry = new Registry()
  const istio = istioMetrics(registry, monotonicMs)
  late.istio = istio
  let queuedBytes = 0
  const timer = setInterval(() => {
    void pool.collect()
    queuedBytes = refreshUsage(parts) ?? queuedBytes
  }, reportMs)
  undo.defer(() => clearInterval(timer))
  const sweeper = setInterval(() => {
    publisher.sweep()
    istio.forgetIdle(idleSeriesMs)
  }, sweepMs)
  undo.defer(() => clearInterval(sweeper))
  const draining = { on: false }
  const drain = (): Promise<void> => {
    draining.on = true
    return startDrain()
  }
  // A successor's hooks are its own affair.
  const hooks = setInterval(() => {
    if (!draining.on) keepHooks(parts)
  }, hooksMs)
  undo.defer(() => clearInterval(hooks))
  registerMetrics(parts, registry, () => queuedBytes)
  parts.reportSupply.supply(() => nodeState(parts))
  undo.defer(() => parts.reportSupply.supply(undefined))
  const ports = await openPorts(
    options,
    { registry, collect: () => pool.collect(), notReady: () => notReady(parts) },
    adminSources(parts, drain),
  )
  undo.defer(async () => {
    await Promise.all(ports.map((port) => port.close()))
  })
  return ports
}

/** Undefined: not known this time, which is no reason to end. */
function refreshUsage({ kernel, log }: Parts): number | undefined {
  try {
    return kernel.refreshUsage().queuedBytes
  } catch (error) {
    log.logger.error({ err: error }, 'the kernel does not say what waits in its sockets')
    return undefined
  }
}

/** A cgroup that was removed and made again took its hooks with it, as the kubelet's does. */
function keepHooks({ kernel, log }: Parts): void {
  try {
    const back = kernel.reattachHooks()
    if (back.length > 0) log.logger.warn({ programs: back }, 'hooks were gone, and are back')
  } catch (error) {
    log.logger.error({ err: error }, 'hooks are gone and cannot be attached')
  }
}

function registerMetrics(parts: Parts, registry: Registry, queuedBytes: () => number): void {
  const { kernel, agent, store, native, generation } = parts
  const beats = new BigUint64Array(native.bpfMapMmap(kernel.fds.generationsMapFd))
  registerNodeMetrics(registry, {
    kernelCounters: () => kernel.counters(),
    mapFill: () => kernel.mapFill(),
    features: kernel.report.features,
    kernelQueuedBytes: queuedBytes,
    heartbeatAgeMs: () => monotonicMs() - Number(beats[generation] ?? 0n) / 1e6,
    reports: () => parts.reports,
    pods: () => agent.pods(),
    agent: () => agent,
    store: () => store.status(),
    process: processFacts,
  })
}

function adminSources(parts: Parts, startDrain: () => Promise<void>): AdminSources {
  const { agent, store, pool, kernel, keeper, log, generation, options } = parts
  return {
    pods: () => agent.pods().map((pod) => ({ ...pod, notAccelerated: notAccelerated(parts, pod) })),
    resources: () => [...store.tables.resources.values()],
    storeStatus: () => store.status(),
    async reports() {
      await pool.collect()
      return parts.reports
    },
    counters: () => kernel.counters(),
    keeper: () => keeper.stats(),
    summary: () => ({ node: options.node, generation, pid: process.pid, ...kernel.report }),
    logLevel: () => log.logger.level as LogLevel,
    setLogLevel(level: LogLevel) {
      log.logger.level = level
    },
    drain: startDrain,
    withdraw: () => agent.withdraw(),
  }
}
