import type { Verdict } from '../../nodeproxy/preflight/verdict.ts'

/** What became of one node's question; `-o json` prints exactly these. */
export type NodeAnswer =
  | { readonly node: string; readonly answered: true; readonly verdict: Verdict }
  | {
      readonly node: string
      readonly answered: false
      /** Whether Sluice would run there at all; false: nothing is wrong with that. */
      readonly wanted: boolean
      readonly error: string
      /** What to do about it. */
      readonly hint: string
    }

export function unanswered(node: string, error: string, hint: string): NodeAnswer {
  return { node, answered: false, wanted: true, error, hint }
}

/** Sluice is to run there, and it is not known that it can. */
export function isBad(answer: NodeAnswer): boolean {
  return answer.answered ? !answer.verdict.ok : answer.wanted
}
