import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ForeignKindRow } from '../model/status.ts'
import type { Problem } from './compile/problem.ts'
import type { Reflector } from './kube/reflector.ts'
import type { PublisherStatus } from './publish/publisher.ts'
import type { ReportBook } from './report/report-book.ts'

/** What the operator's metrics are read from, at the moment of a scrape. */
export interface OperatorFacts {
  readonly ready: boolean
  readonly leading: boolean
  readonly streams: number
  readonly refused: number
  readonly publisher: PublisherStatus
  readonly reports: Pick<ReportBook, 'nodes' | 'counts'>
  readonly problems: readonly Problem[]
  readonly reflectors: ReadonlyMap<string, Reflector>
  readonly foreign: readonly ForeignKindRow[]
  /** Milliseconds since 1970. */
  readonly certificateEndsMs: number
}

/** A registry that reads the facts when it is scraped. */
export function createOperatorRegistry(facts: () => OperatorFacts): Registry {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const [name, help, read] of single) {
    const collect = function (this: Gauge): void {
      this.set(read(facts()))
    }
    registry.registerMetric(new Gauge({ name, help, registers: [], collect }))
  }
  bySeverity(registry, facts)
  ofForeignKinds(registry, facts)
  for (const [name, help, read] of byKind) {
    const collect = function (this: Gauge<'kind'>): void {
      for (const [kind, reflector] of facts().reflectors) this.set({ kind }, read(reflector))
    }
    const labelNames = ['kind'] as const
    registry.registerMetric(new Gauge({ name, help, labelNames, registers: [], collect }))
  }
  return registry
}

type Reading<T> = readonly [name: string, help: string, read: (from: T) => number]

const single: readonly Reading<OperatorFacts>[] = [
  ['sluice_operator_ready', '1: it serves what the cluster says', ({ ready }) => Number(ready)],
  ['sluice_operator_leading', '1: this one writes', ({ leading }) => Number(leading)],
  ['sluice_operator_streams', 'streams of nodes', ({ streams }) => streams],
  [
    'sluice_operator_refused_total',
    'streams that were refused or failed',
    ({ refused }) => refused,
  ],
  ['sluice_operator_resources', 'resources compiled', ({ publisher }) => publisher.resources],
  [
    'sluice_operator_answers',
    'names that any node subscribes to',
    ({ publisher }) => publisher.answers,
  ],
  [
    'sluice_operator_nodes_waiting',
    'streams with a delta that is not answered',
    ({ publisher }) => publisher.sessions.filter(({ waiting }) => waiting).length,
  ],
  [
    'sluice_operator_nodes_rejecting',
    'streams whose node rejected the last delta',
    ({ publisher }) => publisher.sessions.filter(({ lastError }) => lastError !== '').length,
  ],
  [
    'sluice_operator_nodes_reporting',
    'nodes that tell of their pods',
    ({ reports }) => reports.nodes,
  ],
  [
    'sluice_operator_pod_reports_total',
    'reports of pods that were taken',
    ({ reports }) => reports.counts.taken,
  ],
  [
    'sluice_operator_pod_reports_foreign_total',
    "reports of pods that are not the node's, which were dropped",
    ({ reports }) => reports.counts.foreign,
  ],
  [
    'sluice_operator_pod_reports_over_limit_total',
    'reports of more pods than a node may have, which were dropped',
    ({ reports }) => reports.counts.overLimit,
  ],
  [
    'sluice_operator_certificate_end_seconds',
    'when the serving certificate ends, in seconds since 1970',
    ({ certificateEndsMs }) => certificateEndsMs / 1_000,
  ],
]

const byKind: readonly Reading<Reflector>[] = [
  ['sluice_operator_source_synced', '1: all objects were listed', ({ synced }) => Number(synced)],
  ['sluice_operator_source_absent', '1: the CRD is not there', ({ absent }) => Number(absent)],
  ['sluice_operator_source_lists_total', 'lists begun', ({ counts }) => counts.lists],
  ['sluice_operator_source_watches_total', 'watches begun', ({ counts }) => counts.watches],
  ['sluice_operator_source_events_total', 'changes heard', ({ counts }) => counts.events],
  [
    'sluice_operator_source_errors_total',
    'failures of the API server',
    ({ counts }) => counts.errors,
  ],
]

function bySeverity(registry: Registry, facts: () => OperatorFacts): void {
  registry.registerMetric(
    new Gauge({
      name: 'sluice_operator_problems',
      help: 'what is wrong with objects',
      labelNames: ['severity'],
      registers: [],
      collect() {
        const { problems } = facts()
        for (const severity of ['error', 'warning'] as const) {
          this.set({ severity }, problems.filter((one) => one.severity === severity).length)
        }
      },
    }),
  )
}

/** Kinds that are not followed have no series. */
function ofForeignKinds(registry: Registry, facts: () => OperatorFacts): void {
  const followed = () => facts().foreign.filter(({ version }) => version !== '')
  registry.registerMetric(
    new Gauge({
      name: 'sluice_operator_foreign_info',
      help: "1: a kind of another project's API is followed, in this version",
      labelNames: ['kind', 'version', 'bundle', 'channel'],
      registers: [],
      collect() {
        this.reset()
        for (const { kind, version, bundle, channel } of followed()) {
          this.set({ kind, version, bundle, channel }, 1)
        }
      },
    }),
  )
  registry.registerMetric(
    new Gauge({
      name: 'sluice_operator_foreign_objects',
      help: 'objects of such a kind that ask something of Sluice',
      labelNames: ['kind'],
      registers: [],
      collect() {
        this.reset()
        for (const { kind, objects } of followed()) this.set({ kind }, objects)
      },
    }),
  )
}
