import { CloseHow } from '../io/protocol.ts'
import { monotonicMs } from '../time/clock.ts'
import type { ToStarted, WorkerReport } from './worker-messages.ts'
import type { WorkerRuntime } from './worker-runtime.ts'

/** Does what the main thread says. Messages are handled in the order in which they were sent. */
export function handleMessage(worker: WorkerRuntime, message: ToStarted): void {
  const { reactor, flow, pods } = worker
  const { tables, asker } = worker.context
  switch (message.kind) {
    case 'serve':
      pods.serve(message.pod, message.netnsFd, message.listeners)
      applied(worker, message.request)
      return
    case 'retire':
      retire(worker, message.podId, message.reason)
      applied(worker, message.request)
      return
    case 'address':
      worker.addressGate.set(message.ip, message.answer)
      return
    case 'unanswered':
      asker.settled(message.ip, 'timeout')
      return
    case 'service':
      worker.addressGate.setService(message.key, message.view)
      return
    case 'routes':
      worker.routes.set(message.service, message.routes)
      return
    case 'serviceName':
      tables.setServiceName(message.key, message.name)
      return
    case 'workload':
      tables.setWorkload(message.uid, message.workload)
      return
    case 'affinity': {
      const { service, client, key, untilMs } = message.entry
      worker.ownAffinity.remember(service, client, key, untilMs)
      return
    }
    case 'settings':
      worker.settings = message.settings
      return
    case 'drain':
      pods.stopAll()
      reactor.commands.drain()
      applied(worker, message.request)
      return
    case 'offer':
      worker.pairs.offer(worker.context.open.values())
      endRequests(worker)
      applied(worker, message.request)
      return
    case 'handOver':
      worker.pairs.refused(message.refused)
      leaveToKeeper(worker)
      applied(worker, message.request)
      return
    case 'resetAll':
      flow.resetAll('the proxy is stopping')
      applied(worker, message.request)
      return
    case 'report':
      worker.post({ kind: 'report', report: report(worker), request: message.request })
      return
    case 'stop':
      reactor.close()
  }
}

/**
 * Only when the reactor has its own duplicates of descriptors, or has let go of them, is it done.
 */
function applied(worker: WorkerRuntime, request: number): void {
  worker.reactor.flush()
  worker.post({ kind: 'applied', request })
}

/** The reactor refuses one of which it holds bytes: that one waits for the next time. */
function leaveToKeeper({ pairs, reactor }: WorkerRuntime): void {
  for (const conn of pairs.kept) reactor.commands.close(conn, CloseHow.adopted)
}

/**
 * The keeper carries bytes, and tunnels are bytes. Of all else that speaks HTTP the time is over:
 * what waits for its next request is closed in order, a request that is still under way is reset.
 */
function endRequests({ context, exchanges, pairs, reactor }: WorkerRuntime): void {
  const kept = new Set(pairs.kept)
  const busy = new Set(Array.from(exchanges.values(), ({ connection }) => connection.id))
  for (const { id, http } of context.open.values()) {
    if (!http || kept.has(id)) continue
    reactor.commands.close(id, busy.has(id) ? CloseHow.reset : CloseHow.fin)
  }
}

function retire(worker: WorkerRuntime, podId: number, reason: 'left' | 'ended'): void {
  const { pods, flow } = worker
  pods.stopAccepting(podId)
  if (reason === 'ended') {
    flow.resetPod(podId)
    worker.endpoints.forgetPod(podId)
    pods.forget(podId)
  }
}

const progressMs = 5_000
const numbersEach = 4

/** Reads the bytes of all open connections, now and then. */
function countProgress(worker: WorkerRuntime): void {
  const now = monotonicMs()
  if (now - worker.progressAtMs < progressMs) return
  worker.progressAtMs = now
  const open = [...worker.context.open.values()].filter(({ openedTold }) => openedTold)
  const numbers = new Float64Array(open.length * numbersEach)
  worker.reactor.progress(
    Int32Array.from(open, ({ id }) => id),
    numbers,
  )
  open.forEach((connection, index) => {
    const [received = 0, sent = 0, toServer = 0, toClient = 0] = numbers.subarray(
      index * numbersEach,
    )
    worker.telemetry.progressed(connection, received + toServer, sent + toClient)
  })
}

/** What happened since the last report, and what is. */
function report(worker: WorkerRuntime): WorkerReport {
  const { accumulator, telemetry, context, pods, flow } = worker
  const { asker, tables, balance } = context
  const stats = worker.reactor.stats()
  // One that was accepted at the last moment needs its pod, too.
  if (stats['accepted'] === worker.seen.accepted) {
    for (const podId of pods.stopped) if (flow.undecided(podId) === 0) pods.forget(podId)
  }
  balance.affinity.expire(monotonicMs())
  balance.health.expire(monotonicMs())
  tables.rest()
  worker.endpoints.expire(monotonicMs())
  const accessLines = worker.accessLines.join('')
  worker.accessLines.length = 0
  const open: Record<number, number> = {}
  for (const { pod, direction, asked, peer } of context.open.values()) {
    open[pod.podId] = (open[pod.podId] ?? 0) + 1
    worker.usedAddresses.add(direction === 'outbound' ? asked.address : peer.address)
  }
  const usedAddresses = [...worker.usedAddresses]
  worker.usedAddresses.clear()
  countProgress(worker)
  return {
    ...worker.pairs.take(),
    series: accumulator.take(),
    requests: worker.requests.take(),
    rejections: Object.fromEntries(worker.requestTelemetry.rejections),
    accessLines,
    usedAddresses,
    totals: { ...telemetry.totals },
    refusals: Object.fromEntries(telemetry.refusals),
    reactor: stats,
    open,
    asked: asker.stats.asked,
    askTimeouts: asker.stats.timeouts,
    asksRefused: asker.stats.full,
    waiting: asker.open,
    tables: tables.counts(),
    ejected: balance.health.ejected(monotonicMs()),
    freePairSlots: context.slots.free,
  }
}
