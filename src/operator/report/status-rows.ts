import type { PodEnrolment } from '../../model/resources.ts'
import type { NodeRow, PodRow } from '../../model/status.ts'
import type { SessionStatus } from '../publish/session.ts'
import type { Snapshot } from '../publish/snapshot.ts'
import { podRow } from './pod-rows.ts'
import type { ReportBook } from './report-book.ts'

/** @param namespace undefined: of all */
export function podRows(
  snapshot: Snapshot,
  reports: ReportBook,
  namespace: string | undefined,
): readonly PodRow[] {
  const rows: PodRow[] = []
  for (const node of snapshot.nodes()) {
    const reported = reports.node(node)
    for (const enrolment of snapshot.enrolmentsOn(node)) {
      if (namespace !== undefined && enrolment.namespace !== namespace) continue
      rows.push(podRow(enrolment, reported))
    }
  }
  return rows.sort((a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name))
}

/** Of nodes that have pods, or a stream. */
export function nodeRows(
  snapshot: Snapshot,
  reports: ReportBook,
  sessions: readonly SessionStatus[],
  nowMs: number,
): readonly NodeRow[] {
  const streams = Map.groupBy(sessions, ({ node }) => node)
  const names = new Set([...snapshot.nodes(), ...streams.keys()])
  return [...names].sort(compare).map((node) => {
    const reported = reports.node(node)
    const pods: readonly PodEnrolment[] = [...snapshot.enrolmentsOn(node)]
    const rows = pods.map((pod) => podRow(pod, reported))
    return {
      node,
      pods: pods.length,
      wanted: pods.filter(({ enrolled }) => enrolled).length,
      inMesh: rows.filter(({ state }) => state === 'inMesh').length,
      facts: reported?.facts,
      heardSeconds: reported === undefined ? 0 : Math.floor((nowMs - reported.heardMs) / 1_000),
      streams: (streams.get(node) ?? []).map(({ node: _node, ...stream }) => stream),
    }
  })
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
