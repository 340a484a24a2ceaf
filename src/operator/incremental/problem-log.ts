import { byObject } from '../compile/compile.ts'
import type { Problem, ReportProblem } from '../compile/problem.ts'

/** What is wrong, by what found it: found anew, its earlier problems are gone. */
export interface ProblemLog {
  /** Runs what looks for problems; those that it reported last time are forgotten. */
  during<T>(finder: string, run: (report: ReportProblem) => T): T
  forget(finder: string): void
  list(): readonly Problem[]
  /** Changes whenever the list may be another. */
  readonly version: number
}

export function createProblemLog(): ProblemLog {
  const found = new Map<string, readonly Problem[]>()
  let version = 0

  function put(finder: string, problems: readonly Problem[]): void {
    if (problems.length === 0 && !found.has(finder)) return
    version += 1
    if (problems.length === 0) found.delete(finder)
    else found.set(finder, problems)
  }

  return {
    during(finder, run) {
      const problems: Problem[] = []
      const result = run((problem) => problems.push(problem))
      put(finder, problems)
      return result
    },
    forget: (finder) => put(finder, []),
    list: () => [...found.values()].flat().sort(byObject),
    get version() {
      return version
    },
  }
}
