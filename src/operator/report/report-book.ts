import type { NodeFacts, NodeReport, PodReport } from '../../model/report.ts'
import type { Publisher } from '../publish/publisher.ts'
import { defaultReportLimits, type ReportLimits } from './limits.ts'

/**
 * What the nodes that are connected to this replica say of their pods and of themselves. Nothing
 * outlives a node's stream: it tells everything again to the replica that it goes to.
 */
export interface ReportBook {
  /** A node begins to report. @param onReplaced it began another stream, which counts from then */
  open(node: string, onReplaced: () => void): ReportIntake
  node(name: string): ReportedNode | undefined
  readonly nodes: number
  /** Of all nodes that report. */
  names(): readonly string[]
  readonly counts: ReportCounts
}

export interface ReportIntake {
  /** @returns uids that were not taken: no pods of that node as far as is known, or too many */
  take(report: NodeReport): readonly string[]
  close(): void
}

export interface ReportedNode {
  /** Undefined until its first report. */
  readonly facts: NodeFacts | undefined
  readonly pods: ReadonlyMap<string, PodReport>
  /** Since 1970: when it said something last. */
  readonly heardMs: number
}

/** Since the start. */
export interface ReportCounts {
  readonly taken: number
  /** Reports of pods that are not the node's. */
  readonly foreign: number
  /** Reports of pods beyond what one node may have. */
  readonly overLimit: number
}

export interface ReportBookOptions {
  /** On which node that pod is bound. */
  readonly nodeOf: (uid: string) => string | undefined
  readonly limits: Pick<ReportLimits, 'podsPerNode'>
  readonly nowMs: () => number
}

/** Of the nodes that a publisher serves. */
export function openReportBook({ snapshot }: Pick<Publisher, 'snapshot'>): ReportBook {
  return createReportBook({
    nodeOf: (uid) => snapshot.tables.enrolment(uid)?.node,
    limits: defaultReportLimits,
    nowMs: Date.now,
  })
}

interface Entry {
  facts: NodeFacts | undefined
  readonly pods: Map<string, PodReport>
  heardMs: number
  readonly onReplaced: () => void
}

export function createReportBook({ nodeOf, limits, nowMs }: ReportBookOptions): ReportBook {
  const entries = new Map<string, Entry>()
  const counts = { taken: 0, foreign: 0, overLimit: 0 }

  function hasRoom(node: string, { pods }: Entry, uid: string): boolean {
    if (pods.size < limits.podsPerNode || pods.has(uid)) return true
    // A node that never says that a pod is gone.
    for (const known of pods.keys()) if (nodeOf(known) !== node) pods.delete(known)
    return pods.size < limits.podsPerNode
  }

  function takeInto(node: string, entry: Entry, report: NodeReport): readonly string[] {
    entry.heardMs = nowMs()
    if (report.initial) entry.pods.clear()
    if (report.facts !== undefined) entry.facts = report.facts
    for (const uid of report.gone) entry.pods.delete(uid)
    const dropped: string[] = []
    for (const pod of report.pods) {
      const isForeign = nodeOf(pod.uid) !== node
      if (!isForeign && hasRoom(node, entry, pod.uid)) {
        entry.pods.set(pod.uid, pod)
        counts.taken += 1
      } else {
        entry.pods.delete(pod.uid)
        counts[isForeign ? 'foreign' : 'overLimit'] += 1
        dropped.push(pod.uid)
      }
    }
    return dropped
  }

  return {
    open(node, onReplaced) {
      const entry: Entry = { facts: undefined, pods: new Map(), heardMs: nowMs(), onReplaced }
      const before = entries.get(node)
      entries.set(node, entry)
      before?.onReplaced()
      const isOpen = () => entries.get(node) === entry
      return {
        take: (report) => (isOpen() ? takeInto(node, entry, report) : []),
        close: () => void (isOpen() && entries.delete(node)),
      }
    },
    node: (name) => entries.get(name),
    get nodes() {
      return entries.size
    },
    names: () => [...entries.keys()],
    counts,
  }
}
