import type { NodeTables } from '../config/node-tables.ts'

/** The zone of a node, as its own pods' workloads tell it; empty while there is none. */
export function zoneOfNode(tables: Pick<NodeTables, 'enrolments' | 'workload'>): string {
  for (const { workload } of tables.enrolments()) {
    const zone = tables.workload(workload)?.locality.zone ?? ''
    if (zone !== '') return zone
  }
  return ''
}
