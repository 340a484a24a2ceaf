import type { NodeState } from '../../model/report.ts'

/** Where reporters learn what this node has to say. */
export interface ReportFeed {
  /** Undefined: there is nothing to say yet, or not any more. */
  read(): NodeState | undefined
  /** Something that people wait for has changed. @returns what ends it */
  onChange(listener: () => void): () => void
}

/** Reporters begin before there is anything to tell. */
export interface ReportSupply extends ReportFeed {
  /** From here on this is what is told; undefined: nothing. */
  supply(read: (() => NodeState) | undefined): void
  changed(): void
}

export function createReportSupply(): ReportSupply {
  const listeners = new Set<() => void>()
  let source: (() => NodeState) | undefined

  function changed(): void {
    for (const listener of listeners) listener()
  }

  return {
    read: () => source?.(),
    onChange(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    supply(read) {
      source = read
      changed()
    },
    changed,
  }
}
