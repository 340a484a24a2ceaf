import type { HttpListener } from '../admin/http.ts'
import type { Agent } from '../agent/agent.ts'
import { type KernelEvent, spliceUserAdvice } from '../kernel/events.ts'
import type { Parts } from './parts.ts'
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

/** Connects that were rewritten just before the drain still arrive. */
const arrivalMs = 250
const drainPollMs = 50

/**
 * Wires the parts together, goes live, and serves.
 * @param mayEnd this process ends once it has drained: the keeper can carry on what it leaves
 */
export async function serve(
  parts: Parts,
  undo: AsyncDisposableStack,
  mayEnd: Promise<void>,
): Promise<NodeProxy> {
  const { log, kernel, store, agent, phases } = parts
  const stopListening = store.onChange((change) => {
    applySettings(parts)
    const names = [...change.upserts.map(podUidOf), ...change.removals.map(podUidOfName)]
    for (const uid of names) if (uid !== '') agent.configurationChanged(uid)
  })
  undo.defer(stopListening)
  applySettings(parts)
  kernel.onEvent((event) => onKernelEvent(parts, event))
  await agent.settled()
  phases.end('pods')
  beatOnceServed(parts)
  const replaced = await replacePredecessor(parts)
  kernel.goLive()
  // Until it left, the predecessor looked after the pods too, and may have replaced listeners.
  if (replaced) agent.configurationChanged()
  phases.end('live')
  // What only people and scrapers wait for is loaded now.
  const { openReporting } = await import('./reporting.ts')
  let ports: readonly HttpListener[] = []
  const drained = Promise.withResolvers<void>()
  const leaveOnce = onlyOnce(() => leave(parts))
  const drainOnce = onlyOnce(async () => {
    await leaveOnce()
    await drain(parts, ports, mayEnd)
    drained.resolve()
  })
  const startDrain = async (): Promise<void> => {
    await leaveOnce()
    void drainOnce()
  }
  ports = await openReporting(parts, startDrain, undo)
  phases.end('ports')
  const { layout, start, features, notes } = kernel.report
  const facts = { generation: parts.generation, layout, start, features, notes, replaced }
  log.logger.info(facts, 'serving')
  log.logger.debug(
    { startedAt: performance.timeOrigin, phases: phases.ended },
    'phases of the start',
  )
  return { drain: drainOnce, drained: drained.promise }
}

/**
 * A beat tells the hooks that the pods in their maps are served. They are not while nobody, not
 * even the state on disk, has said which pods those are: until then each pod's own choice holds.
 */
function beatOnceServed({ store, kernel, agent, log, startHeartbeat }: Parts): void {
  if (store.complete || kernel.enrolledNetns().length === 0) {
    startHeartbeat()
    return
  }
  log.logger.warn('pods are not served before there is configuration: none came, none is on disk')
  const stop = store.onChange(() => {
    if (!store.complete) return
    stop()
    void agent.settled().then(startHeartbeat)
  })
}

/** Whether there was one; it drains from here on. */
async function replacePredecessor({ kernel, options }: Parts): Promise<boolean> {
  if (!kernel.isAccompanied()) return false
  const { drainPredecessor } = await import('./takeover.ts')
  return drainPredecessor(options)
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

function podNamed(agent: Agent, netnsCookie: bigint) {
  const pod = agent.pods().find((one) => one.netnsCookie === String(netnsCookie))
  return { namespace: pod?.namespace ?? '', pod: pod?.name ?? '' }
}

function onKernelEvent({ agent, log }: Parts, event: KernelEvent): void {
  switch (event.kind) {
    case 'unclassified':
      agent.unclassifiedSeen()
      return
    case 'spliceUser':
      log.logger.warn({ ...event, ...podNamed(agent, event.netnsCookie) }, spliceUserAdvice)
      return
    case 'turnedBlocking':
    case 'connect':
      log.logger.debug(event, event.kind)
  }
}

function onlyOnce(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => (running ??= run())
}

/** Pods and the kernel's events are the successor's from here on. */
async function leave({ agent, kernel, reportSupply }: Parts): Promise<void> {
  reportSupply.supply(undefined)
  await agent.close()
  kernel.drain()
}

/**
 * The ports are given up first, for a successor. The heartbeat ends next, so that without a
 * successor new connects go direct, or are refused, at once; what was on its way is still accepted.
 * Then connections have their time to end; those that do not are the keeper's.
 */
async function drain(
  parts: Parts,
  ports: readonly HttpListener[],
  mayEnd: Promise<void>,
): Promise<void> {
  const { options, log, agent, keeper, pool, stopHeartbeat } = parts
  log.logger.info({ seconds: options.drainSeconds }, 'draining')
  await Promise.all(ports.map((port) => port.close()))
  stopHeartbeat()
  await delay(arrivalMs)
  await pool.request((request) => ({ kind: 'drain', request }))
  keeper.leavePods()
  agent.releaseDescriptors()
  const deadline = performance.now() + options.drainSeconds * 1000
  let open = await openNow(parts)
  while (open > 0 && performance.now() < deadline) {
    await delay(drainPollMs)
    open = await openNow(parts)
  }
  if (open > 0) {
    await mayEnd
    await handOver(parts)
  }
  log.logger.info('drained')
}

async function openNow({ pool, reports }: Parts): Promise<number> {
  await pool.collect()
  // The reactor knows of new ones first, and of ends.
  return reports.reduce((sum, { reactor, open }) => {
    const known = Object.values(open).reduce((all, pod) => all + pod, 0)
    return sum + Math.max(reactor.openConnections ?? 0, known)
  }, 0)
}

/** Until bytes that their receiver does not take yet are on their way. */
const handOverTries = 40

/**
 * The keeper forwards what is open as soon as this process has let go of it, and it can where no
 * byte is in our hands. That is always but while a receiver is slower than its sender, and such a
 * one keeps this process, but not the other connections.
 */
async function handOver(parts: Parts): Promise<void> {
  const { log, pool, kept } = parts
  log.logger.info('what is open is left to the keeper')
  for (let tries = 0; tries < handOverTries; tries += 1) {
    await pool.request((request) => ({ kind: 'offer', request }))
    await pool.collect()
    const refused = await kept.refused()
    await pool.request((request) => ({ kind: 'handOver', refused, request }))
    if ((await openNow(parts)) === 0) {
      await kept.refused()
      log.logger.info({ carriedOn: await carriedOn(parts) }, 'the keeper goes on')
      return
    }
    await delay(drainPollMs)
  }
  log.logger.warn('resetting what the keeper can not carry on')
  await pool.request((request) => ({ kind: 'resetAll', request }))
  await pool.collect()
}

/** By the keeper, since it began; undefined when it does not say. */
async function carriedOn({ keeper }: Parts): Promise<number | undefined> {
  try {
    return (await keeper.stats()).adoptions
  } catch {
    return undefined
  }
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
