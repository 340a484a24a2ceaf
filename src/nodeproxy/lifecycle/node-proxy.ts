import type { AdminSources } from '../admin/admin.ts'
import type { HttpListener } from '../admin/http.ts'
import { whyNotAccelerated } from '../kernel/acceleration.ts'
import type { KernelEvent } from '../kernel/events.ts'
import { registerNodeMetrics } from '../telemetry/node-metrics.ts'
import { monotonicMs } from '../time/clock.ts'
import { processFacts } from './node-facts.ts'
import type { LogLevel } from './options.ts'
import type { Parts } from './parts.ts'
import { openPorts } from './serve-http.ts'
import { drainPredecessor } from './takeover.ts'
import { workerSettings } from './worker-settings.ts'

export interface NodeProxy {
  /**
   * Stops accepting, lets connections end, then lets go of everything. Calling it again changes
   * nothing.
   */
  drain(): Promise<void>
  /** Resolves when it has drained, whoever asked for it. */
  readonly drained: Promise<void>
}

/** How often workers hand over what they have counted. */
const reportMs = 1_000
const sweepMs = 30_000
const idleSeriesMs = 3_600_000
/** Connects that were rewritten just before the drain still arrive. */
const arrivalMs = 250
const drainPollMs = 50

/** Wires the parts together, goes live, and serves. */
export async function serve(
  parts: Parts,
  stopHeartbeat: () => void,
  undo: AsyncDisposableStack,
): Promise<NodeProxy> {
  const { options, log, kernel, store, agent, pool, publisher } = parts
  const stopListening = store.onChange((change) => {
    applySettings(parts)
    const names = [...change.upserts.map(podUidOf), ...change.removals.map(podUidOfName)]
    for (const uid of names) if (uid !== '') agent.configurationChanged(uid)
  })
  undo.defer(stopListening)
  applySettings(parts)
  kernel.onEvent((event) => onKernelEvent(parts, event))
  await agent.settled()
  const replaced = await drainPredecessor(options.adminAddress)
  kernel.goLive()
  let queuedBytes = 0
  const timer = setInterval(() => {
    void pool.collect()
    queuedBytes = kernel.refreshUsage().queuedBytes
  }, reportMs)
  undo.defer(() => clearInterval(timer))
  const sweeper = setInterval(() => {
    publisher.sweep()
    parts.istio.forgetIdle(idleSeriesMs)
  }, sweepMs)
  undo.defer(() => clearInterval(sweeper))
  let ports: readonly HttpListener[] = []
  const drained = Promise.withResolvers<void>()
  const leaveOnce = onlyOnce(() => leave(parts))
  const drainOnce = onlyOnce(async () => {
    await leaveOnce()
    await drain(parts, stopHeartbeat, ports)
    drained.resolve()
  })
  registerMetrics(parts, () => queuedBytes)
  ports = await openPorts(
    options,
    { registry: parts.registry, collect: () => pool.collect(), notReady: () => notReady(parts) },
    adminSources(parts, async () => {
      await leaveOnce()
      void drainOnce()
    }),
  )
  undo.defer(async () => {
    await Promise.all(ports.map((port) => port.close()))
  })
  const { layout, start, features, notes } = kernel.report
  const facts = { generation: parts.generation, layout, start, features, notes, replaced }
  log.logger.info(facts, 'serving')
  return { drain: drainOnce, drained: drained.promise }
}

function applySettings({ options, kernel, store, pool }: Parts): void {
  const mesh = store.tables.settings
  const unclassified = mesh?.unclassified ?? 'count'
  if (kernel.settings().unclassified !== unclassified) kernel.setSettings({ unclassified })
  pool.sendAll({ kind: 'settings', settings: workerSettings(options, mesh) })
}

function podUidOf(resource: { readonly type: string; readonly uid?: string }): string {
  return resource.type === 'enrolment' ? (resource.uid ?? '') : ''
}

function podUidOfName(name: string): string {
  return name.startsWith('enrolment/') ? name.slice('enrolment/'.length) : ''
}

function onKernelEvent({ agent, log }: Parts, event: KernelEvent): void {
  switch (event.kind) {
    case 'unclassified':
      agent.unclassifiedSeen()
      return
    case 'spliceUser':
      log.logger.warn(
        event,
        "an app in acceleration mode 'full' reads by splice(2): use 'auto' for its pod",
      )
      return
    case 'turnedBlocking':
    case 'connect':
      log.logger.debug(event, event.kind)
  }
}

function notReady({ store, agent }: Parts): string {
  if (!store.complete) return `no configuration yet: ${store.status().reason}`
  const failed = agent.pods().filter(({ state }) => state === 'failed')
  const [first] = failed
  // One pod that cannot be enrolled is its own trouble; all of them are the node's.
  const all = failed.length > 0 && agent.pods().every(({ state }) => state !== 'enrolled')
  return all ? `no pod can be enrolled: ${first?.reason}` : ''
}

function registerMetrics(parts: Parts, queuedBytes: () => number): void {
  const { registry, kernel, agent, store, native, generation } = parts
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
    pods: () => {
      const settings = kernel.settings()
      return agent.pods().map((pod) => ({
        ...pod,
        notAccelerated:
          pod.state === 'enrolled'
            ? whyNotAccelerated(kernel.report, settings, pod.acceleration)
            : '',
      }))
    },
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
  }
}

function onlyOnce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => (running ??= run())
}

/** Pods and the kernel's events are the successor's from here on. */
async function leave({ agent, kernel }: Parts): Promise<void> {
  await agent.close()
  kernel.drain()
}

/**
 * The ports are given up first, for a successor. The heartbeat ends next, so that without a
 * successor new connects go direct, or are refused, at once; what was on its way is still accepted.
 * Then connections have their time to end.
 */
async function drain(
  { options, log, agent, keeper, pool, reports }: Parts,
  stopHeartbeat: () => void,
  ports: readonly HttpListener[],
): Promise<void> {
  log.logger.info({ seconds: options.drainSeconds }, 'draining')
  await Promise.all(ports.map((port) => port.close()))
  stopHeartbeat()
  await delay(arrivalMs)
  await pool.request((request) => ({ kind: 'drain', request }))
  keeper.leavePods()
  agent.releaseDescriptors()
  const deadline = performance.now() + options.drainSeconds * 1000
  const openNow = async (): Promise<number> => {
    await pool.collect()
    return reports.reduce((sum, { reactor }) => sum + (reactor.openConnections ?? 0), 0)
  }
  let open = await openNow()
  while (open > 0 && performance.now() < deadline) {
    await delay(drainPollMs)
    open = await openNow()
  }
  if (open > 0) {
    log.logger.warn({ open }, 'the time to drain is over: resetting what is open')
    await pool.request((request) => ({ kind: 'resetAll', request }))
    await pool.collect()
  }
  log.logger.info('drained')
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
