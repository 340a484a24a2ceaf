import type { HttpHeader, HttpHeaderEdits } from '../../model/http-routes.ts'

export const noEdits: HttpHeaderEdits = Object.freeze({
  remove: Object.freeze([]),
  set: Object.freeze([]),
  add: Object.freeze([]),
})

interface Outcome {
  /** What was there before is gone. */
  replaced: boolean
  readonly lines: HttpHeader[]
}

/** Edits one after the other, as edits that need no order. */
export function composeEdits(all: readonly (HttpHeaderEdits | undefined)[]): HttpHeaderEdits {
  const outcomes = new Map<string, Outcome>()
  const begin = (name: string, replaced: boolean): Outcome => {
    const id = name.toLowerCase()
    const outcome = outcomes.get(id) ?? { replaced: false, lines: [] }
    outcomes.set(id, outcome)
    if (replaced) {
      outcome.replaced = true
      outcome.lines.length = 0
    }
    return outcome
  }
  for (const edits of all) {
    for (const name of edits?.remove ?? []) begin(name, true)
    for (const header of edits?.set ?? []) begin(header.name, true).lines.push(header)
    for (const header of edits?.add ?? []) begin(header.name, false).lines.push(header)
  }
  if (outcomes.size === 0) return noEdits
  const replaced = [...outcomes].filter(([, outcome]) => outcome.replaced)
  const kept = [...outcomes].filter(([, outcome]) => !outcome.replaced)
  return {
    remove: replaced.filter(([, { lines }]) => lines.length === 0).map(([name]) => name),
    set: replaced.flatMap(([, { lines }]) => lines.slice(0, 1)),
    // A name that is set may have more lines: those come after the one that takes its place.
    add: [
      ...replaced.flatMap(([, { lines }]) => lines.slice(1)),
      ...kept.flatMap(([, { lines }]) => lines),
    ],
  }
}
