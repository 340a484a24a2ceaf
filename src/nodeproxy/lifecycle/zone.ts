import type { MeshTables } from '../../model/tables.ts'

/** The zone of a node, as its own pods' workloads tell it; empty while there is none. */
export function zoneOfNode(tables: MeshTables, node: string): string {
  for (const resource of tables.resources.values()) {
    if (resource.type !== 'workload' || resource.node !== node) continue
    const { zone } = resource.locality
    if (zone !== '') return zone
  }
  return ''
}
