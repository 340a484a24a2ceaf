/** When each phase of the start was over, in ms since the process began. */
export interface Phases {
  end(phase: string): void
  /** So far, in order. */
  readonly ended: Readonly<Record<string, number>>
}

/** @param nowMs since the process began, as performance.now() says */
export function recordPhases(nowMs: () => number): Phases {
  const ended: Record<string, number> = {}
  return {
    end(phase) {
      ended[phase] = Math.round(nowMs())
    },
    ended,
  }
}
