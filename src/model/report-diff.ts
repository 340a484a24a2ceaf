import { sameData } from './equal.ts'
import { type NodeReport, type NodeState, type PodReport, podsPerReport } from './report.ts'

/**
 * What to say so that who knows `before` knows `now`: nothing, or several reports of a limited
 * size. @param before undefined: nothing was said yet
 */
export function reportsBetween(
  before: NodeState | undefined,
  now: NodeState,
): readonly NodeReport[] {
  const pods: PodReport[] = []
  for (const [uid, pod] of now.pods) if (!sameData(before?.pods.get(uid), pod)) pods.push(pod)
  const gone = [...(before?.pods.keys() ?? [])].filter((uid) => !now.pods.has(uid))
  const facts = sameData(before?.facts, now.facts) ? undefined : now.facts
  const reports: NodeReport[] = []
  const count = Math.ceil(Math.max(pods.length, gone.length) / podsPerReport)
  for (let index = 0; index < Math.max(count, facts === undefined ? 0 : 1); index += 1) {
    const part = [index * podsPerReport, (index + 1) * podsPerReport] as const
    reports.push({
      initial: before === undefined && index === 0,
      facts: index === 0 ? facts : undefined,
      pods: pods.slice(...part),
      gone: gone.slice(...part),
    })
  }
  return reports
}
