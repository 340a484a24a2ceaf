import type { NodeRow, PodRow, StatusAnswer } from '../../model/status.ts'

/** What the replicas know together: who hears from a pod's node goes before who does not. */
export function mergePods(answers: readonly StatusAnswer<PodRow>[]): readonly PodRow[] {
  const best = new Map<string, PodRow>()
  for (const { rows } of answers) {
    for (const row of rows) {
      const known = best.get(row.uid)
      if (known === undefined || rank(row) > rank(known)) best.set(row.uid, row)
    }
  }
  return [...best.values()].sort(
    (a, b) => compare(a.namespace, b.namespace) || compare(a.name, b.name),
  )
}

/** A pod of which its agent says something has a time. */
function rank({ state, sinceSeconds }: PodRow): number {
  if (sinceSeconds > 0) return 2
  return state === 'unheard' ? 0 : 1
}

/** A node reports to one replica; while it moves, the one that heard from it last counts. */
export function mergeNodes(answers: readonly StatusAnswer<NodeRow>[]): readonly NodeRow[] {
  const best = new Map<string, NodeRow>()
  for (const { rows } of answers) {
    for (const row of rows) {
      const known = best.get(row.node)
      const [first, second] =
        known === undefined || isBetter(row, known) ? [row, known] : [known, row]
      best.set(row.node, { ...first, streams: [...first.streams, ...(second?.streams ?? [])] })
    }
  }
  return [...best.values()].sort((a, b) => compare(a.node, b.node))
}

function isBetter(row: NodeRow, known: NodeRow): boolean {
  if (row.facts === undefined || known.facts === undefined) return row.facts !== undefined
  return row.heardSeconds < known.heardSeconds
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
