/** Something that is wrong with one object, for whoever wrote it. */
export interface Problem {
  /**
   * `error`: the object, or the field, is not in force. `warning`: it is, but will hardly do what
   * is meant.
   */
  readonly severity: 'error' | 'warning'
  readonly kind: string
  readonly namespace: string
  readonly name: string
  /** Where it is known. */
  readonly uid?: string
  readonly field: string
  readonly message: string
  readonly fix: string
  /** What holds meanwhile. */
  readonly effect: string
  /** File and line, where it came from a file. */
  readonly place?: string
}

export type ReportProblem = (problem: Problem) => void

/**
 * `error: Service shop/web spec.ports[0].port is 0, not …: give …; the object is left out
 * (shop.yaml:12)`
 */
export function formatProblem(problem: Problem): string {
  const { severity, kind, namespace, name, field, message, fix, effect, place } = problem
  const subject = [kind, namespace === '' ? name : `${namespace}/${name}`].map(shown)
  const what = [...subject, field].filter((part) => part !== '').join(' ')
  const tail = `${effect === '' ? '' : `; ${effect}`}${place === undefined ? '' : ` (${place})`}`
  return `${severity}: ${what} ${message}: ${fix}${tail}`
}

/** Blanks at an end would not be seen. */
function shown(part: string): string {
  return part === part.trim() ? part : JSON.stringify(part)
}
