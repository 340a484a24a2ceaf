/** Steps that take back what was done so far, for operations that are done wholly or not at all. */
export interface Undo {
  add(step: () => void): void
  /** Latest first. A step that fails does not keep the others from running. */
  run(): void
}

export function createUndo(): Undo {
  const steps: (() => void)[] = []
  return {
    add: (step) => {
      steps.push(step)
    },
    run: () => {
      for (const step of steps.splice(0).reverse()) {
        try {
          step()
        } catch {
          // The error that made us undo is the one to report.
        }
      }
    },
  }
}
