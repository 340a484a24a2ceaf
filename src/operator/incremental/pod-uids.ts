import type { PodFacts } from '../compile/facts.ts'
import type { Problem } from '../compile/problem.ts'
import type { FactStore } from './fact-store.ts'
import { createIndexSets } from './index-sets.ts'
import type { ProblemLog } from './problem-log.ts'

/**
 * Which pod is enrolled by a uid: pods that share one are a fault, and the first by name counts.
 */
export interface PodUids {
  pod(uid: string): PodFacts | undefined
  changed(key: string, before: PodFacts | undefined, now: PodFacts | undefined): void
  compiled(uid: string): void
  /** @returns the uids whose enrolment may be another */
  settle(): ReadonlySet<string>
}

export function createPodUids(facts: FactStore, problems: ProblemLog): PodUids {
  const byUid = createIndexSets()
  const dirty = new Set<string>()

  return {
    pod: (uid) => facts.pick('Pod', byUid.get(uid))[0],
    changed(key, before, now) {
      byUid.set(key, now === undefined || now.node === '' ? [] : [now.uid])
      for (const uid of [before?.uid, now?.uid]) if (uid !== undefined) dirty.add(uid)
    },
    compiled: (uid) => void dirty.add(uid),
    settle() {
      const settled = new Set(dirty)
      dirty.clear()
      for (const uid of settled) {
        problems.during(`uid ${uid}`, (report) => {
          const [first, ...others] = facts.pick('Pod', byUid.get(uid))
          for (const other of others) report(sameUid(other, `${first?.namespace}/${first?.name}`))
        })
      }
      return settled
    },
  }
}

function sameUid({ namespace, name }: PodFacts, other: string): Problem {
  return {
    severity: 'error',
    kind: 'Pod',
    namespace,
    name,
    field: 'metadata.uid',
    message: `is that of Pod ${other} too`,
    fix: 'give each pod a uid of its own',
    effect: 'it is not enrolled',
  }
}
