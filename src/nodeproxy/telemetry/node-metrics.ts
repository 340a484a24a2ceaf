import type { Registry } from 'prom-client'
import type { StoreStatus } from '../config/interfaces.ts'
import type { FeatureState } from '../kernel/kernel.ts'
import type { MapFill } from '../kernel/map-fill.ts'
import type { WorkerReport } from '../lifecycle/worker-messages.ts'
import { MessageError } from '../io/protocol.ts'
import { podStates } from '../../model/report.ts'
import type { PodStatus } from '../agent/pod-status.ts'
import { type RefusalKind, refusals } from '../policy/refusal.ts'
import { gauge, type Reading, total } from './registry.ts'

/** Where the node's own metrics are read from when somebody asks for them. */
export interface NodeReadings {
  kernelCounters(): Readonly<Record<string, bigint>>
  mapFill(): readonly MapFill[]
  readonly features: readonly FeatureState[]
  kernelQueuedBytes(): number
  heartbeatAgeMs(): number
  /** The last report of each worker. */
  reports(): readonly WorkerReport[]
  pods(): readonly PodStatus[]
  agent(): { readonly errors: number; readonly watches: number }
  store(): StoreStatus
  process(): {
    readonly cpuSeconds: number
    readonly residentBytes: number
    readonly openFds: number
  }
}

/** Registers everything named sluice_*; docs/metrics.md lists it. */
export function registerNodeMetrics(registry: Registry, from: NodeReadings): void {
  registerKernel(registry, from)
  registerReactors(registry, from)
  registerConnections(registry, from)
  registerRejections(registry, from)
  registerResolution(registry, from)
  registerPods(registry, from)
  registerProcess(registry, from)
}

function one(value: number): readonly Reading[] {
  return [{ labels: {}, value }]
}

function snake(name: string): string {
  return name.replaceAll(/[A-Z]/gu, (letter) => `_${letter.toLowerCase()}`)
}

function registerKernel(registry: Registry, from: NodeReadings): void {
  total(
    registry,
    'sluice_kernel_events_total',
    'What the kernel programs did, one reason for every return; bpf/README.md explains each',
    ['event'],
    () =>
      Object.entries(from.kernelCounters()).map(([name, count]) => ({
        labels: { event: snake(name) },
        value: Number(count),
      })),
  )
  const fill = (value: (map: MapFill) => number) => (): readonly Reading[] =>
    from.mapFill().map((map) => ({ labels: { map: map.map }, value: value(map) }))
  gauge(
    registry,
    'sluice_map_entries',
    'Entries of a kernel map',
    ['map'],
    fill(({ entries }) => entries),
  )
  gauge(
    registry,
    'sluice_map_capacity',
    'Entries that a kernel map can hold',
    ['map'],
    fill(({ maxEntries }) => maxEntries),
  )
  gauge(
    registry,
    'sluice_kernel_queued_bytes',
    'Redirected bytes that wait unread in sockets of this node',
    [],
    () => one(from.kernelQueuedBytes()),
  )
  gauge(registry, 'sluice_feature', '1: this kernel feature is on; 0: off', ['feature'], () =>
    from.features.map(({ name, on }) => ({ labels: { feature: name }, value: on ? 1 : 0 })),
  )
  gauge(
    registry,
    'sluice_heartbeat_age_seconds',
    'Age of the heartbeat; the hooks take the proxy for dead when it is too old',
    [],
    () => one(from.heartbeatAgeMs() / 1000),
  )
}

/** Gauges among a reactor's numbers; the others are totals. */
const reactorGauges = new Set(['openConnections', 'bufferedBytes'])

function registerReactors(registry: Registry, from: NodeReadings): void {
  const perWorker = (read: (report: WorkerReport) => number) => (): readonly Reading[] =>
    from.reports().map((report, worker) => ({
      labels: { worker: String(worker) },
      value: read(report),
    }))
  const reactor = (name: string): (() => readonly Reading[]) =>
    perWorker((report) => report.reactor[name] ?? 0)
  gauge(
    registry,
    'sluice_reactor_open_connections',
    'Connections that a worker proxies now',
    ['worker'],
    reactor('openConnections'),
  )
  gauge(
    registry,
    'sluice_reactor_buffered_bytes',
    'Bytes that a worker has read and could not send on yet',
    ['worker'],
    reactor('bufferedBytes'),
  )
  total(
    registry,
    'sluice_reactor_waited_seconds_total',
    'Time a worker slept; the rest it was busy',
    ['worker'],
    perWorker((report) => (report.reactor.waitedMicroseconds ?? 0) / 1e6),
  )
  total(
    registry,
    'sluice_reactor_counts_total',
    'What a worker did, by name; native/reactor/stats.h explains each',
    ['worker', 'count'],
    () =>
      from.reports().flatMap((report, worker) =>
        Object.entries(report.reactor)
          .filter(([name]) => !reactorGauges.has(name) && name !== 'waitedMicroseconds')
          .map(([name, value]) => ({
            labels: { worker: String(worker), count: snake(name) },
            value,
          })),
      ),
  )
  gauge(
    registry,
    'sluice_worker_table_entries',
    "Entries of a worker's tables",
    ['worker', 'table'],
    () =>
      from.reports().flatMap((report, worker) => {
        const { sharedBytes: _, ...entries } = report.tables
        return Object.entries(entries).map(([table, value]) => ({
          labels: { worker: String(worker), table },
          value,
        }))
      }),
  )
  gauge(
    registry,
    'sluice_pair_slots_free',
    'Paired connections that a worker could begin',
    ['worker'],
    perWorker(({ freePairSlots }) => freePairSlots),
  )
}

/** What is refused before it is a request, and by what names. */
function registerRejections(registry: Registry, from: NodeReadings): void {
  total(
    registry,
    'sluice_http_rejected_total',
    'Messages of clients that were no HTTP or could be read in two ways, by reason',
    ['reason'],
    () =>
      Object.keys(MessageError).map((reason) => ({
        labels: { reason: snake(reason) },
        value: from.reports().reduce((sum, report) => sum + (report.rejections[reason] ?? 0), 0),
      })),
  )
}

function registerConnections(registry: Registry, from: NodeReadings): void {
  const sum = (read: (report: WorkerReport) => number): number =>
    from.reports().reduce((value, report) => value + read(report), 0)
  const totals = [
    ['sluice_passthrough_connections_total', 'passthrough', 'Let through to outside the mesh'],
    ['sluice_same_node_connections_total', 'sameNode', 'Between two pods of this node'],
    ['sluice_connect_retries_total', 'retries', 'Endpoints tried after another one failed'],
    ['sluice_paired_connections_total', 'pairedConnections', 'Paired in the kernel'],
    ['sluice_paired_bytes_total', 'pairedBytes', 'Bytes that went past the proxy'],
  ] as const
  for (const [name, key, help] of totals) {
    total(registry, name, help, [], () => one(sum((report) => report.totals[key])))
  }
  total(
    registry,
    'sluice_connections_total',
    'Connections taken, by direction',
    ['direction'],
    () =>
      (['outbound', 'inbound'] as const).map((direction) => ({
        labels: { direction },
        value: sum((report) => report.totals[direction]),
      })),
  )
  total(
    registry,
    'sluice_refusals_total',
    "Connections that were not forwarded, with Envoy's response flag",
    ['kind', 'flag'],
    () =>
      (Object.keys(refusals) as RefusalKind[]).map((kind) => ({
        labels: { kind: snake(kind), flag: refusals[kind].flag },
        value: sum((report) => report.refusals[kind] ?? 0),
      })),
  )
  gauge(
    registry,
    'sluice_endpoints_ejected',
    'Endpoints left out for a while after a failed connect',
    ['worker'],
    () =>
      from.reports().map((report, worker) => ({
        labels: { worker: String(worker) },
        value: report.ejected,
      })),
  )
}

function registerResolution(registry: Registry, from: NodeReadings): void {
  const sum = (read: (report: WorkerReport) => number) => (): readonly Reading[] =>
    one(from.reports().reduce((value, report) => value + read(report), 0))
  total(
    registry,
    'sluice_resolve_asked_total',
    'Addresses that a worker had to ask for',
    [],
    sum(({ asked }) => asked),
  )
  total(
    registry,
    'sluice_resolve_timeouts_total',
    'Addresses that did not become known in time',
    [],
    sum(({ askTimeouts }) => askTimeouts),
  )
  total(
    registry,
    'sluice_resolve_refused_total',
    'Addresses not asked for, because too many questions were open',
    [],
    sum(({ asksRefused }) => asksRefused),
  )
  gauge(
    registry,
    'sluice_resolve_waiting',
    'Addresses that connections wait for now',
    [],
    sum(({ waiting }) => waiting),
  )
  const store = (read: (status: StoreStatus) => number) => (): readonly Reading[] =>
    one(read(from.store()))
  gauge(
    registry,
    'sluice_config_connected',
    '1: the source of configuration is there',
    [],
    store(({ connected }) => (connected ? 1 : 0)),
  )
  gauge(
    registry,
    'sluice_config_from_disk',
    '1: what is served was read from disk, and the source has not spoken yet',
    [],
    store(({ fromDisk }) => (fromDisk ? 1 : 0)),
  )
  gauge(
    registry,
    'sluice_config_resources',
    'Resources that this node holds',
    [],
    store(({ resources }) => resources),
  )
  gauge(
    registry,
    'sluice_config_subscribed',
    'Names that this node is subscribed to',
    [],
    store(({ subscribed }) => subscribed),
  )
  total(registry, 'sluice_config_deltas_total', 'Deltas by what became of them', ['result'], () => {
    const { deltasApplied, deltasRejected } = from.store().counts
    return [
      { labels: { result: 'applied' }, value: deltasApplied },
      { labels: { result: 'rejected' }, value: deltasRejected },
    ]
  })
}

function registerPods(registry: Registry, from: NodeReadings): void {
  gauge(registry, 'sluice_pods', 'Pods of this node by state', ['state'], () => {
    const pods = from.pods()
    return podStates.map((state) => ({
      labels: { state },
      value: pods.filter((pod) => pod.state === state).length,
    }))
  })
  const perPod = (read: (pod: PodStatus) => number) => (): readonly Reading[] =>
    from
      .pods()
      .filter(({ state }) => state === 'enrolled')
      .map((pod) => ({
        labels: { namespace: pod.namespace, pod: pod.name },
        value: read(pod),
      }))
  gauge(
    registry,
    'sluice_pod_connections',
    'Connections of an enrolled pod that are proxied now',
    ['namespace', 'pod'],
    perPod(({ podId }) =>
      from.reports().reduce((value, report) => value + (report.open[podId] ?? 0), 0),
    ),
  )
  gauge(
    registry,
    'sluice_pod_connections_before_enrolment',
    'Open connections of a pod that are older than its enrolment, and so not in the mesh',
    ['namespace', 'pod'],
    perPod(({ connectionsBeforeOpen }) => connectionsBeforeOpen),
  )
  gauge(
    registry,
    'sluice_pod_enrol_seconds',
    "The agent's own work for the last enrolment of a pod",
    ['namespace', 'pod'],
    perPod(({ enrolMicroseconds }) => enrolMicroseconds / 1e6),
  )
  total(registry, 'sluice_agent_errors_total', 'Steps of the agent that failed', [], () =>
    one(from.agent().errors),
  )
  gauge(registry, 'sluice_agent_watches', 'inotify watches on cgroups', [], () =>
    one(from.agent().watches),
  )
}

function registerProcess(registry: Registry, from: NodeReadings): void {
  total(registry, 'process_cpu_seconds_total', 'User and system CPU time', [], () =>
    one(from.process().cpuSeconds),
  )
  gauge(registry, 'process_resident_memory_bytes', 'Resident memory', [], () =>
    one(from.process().residentBytes),
  )
  gauge(registry, 'process_open_fds', 'Open file descriptors', [], () =>
    one(from.process().openFds),
  )
}
