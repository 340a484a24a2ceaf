import { type Answer, answerTo } from './answer.ts'
import type { Snapshot } from './snapshot.ts'

/**
 * Answers that somebody is subscribed to. Each is made once for all its subscribers, and again only
 * when something that it was made of has changed.
 */
export interface Answers {
  subscribe(name: string): void
  unsubscribe(name: string): void
  /** Of a name that is subscribed to. */
  get(name: string): Answer
  /** @returns the names whose answers may be different now */
  invalidate(changed: ReadonlySet<string>): ReadonlySet<string>
  readonly size: number
}

export function createAnswers(snapshot: Snapshot): Answers {
  const subscribers = new Map<string, number>()
  const made = new Map<string, Answer>()
  const dependants = new Map<string, Set<string>>()

  function forget(name: string): void {
    const answer = made.get(name)
    if (answer === undefined) return
    made.delete(name)
    for (const dependency of answer.dependencies) {
      const names = dependants.get(dependency)
      names?.delete(name)
      if (names?.size === 0) dependants.delete(dependency)
    }
  }

  return {
    subscribe(name) {
      subscribers.set(name, (subscribers.get(name) ?? 0) + 1)
    },
    unsubscribe(name) {
      const left = (subscribers.get(name) ?? 0) - 1
      if (left > 0) {
        subscribers.set(name, left)
        return
      }
      subscribers.delete(name)
      forget(name)
    },
    get(name) {
      const known = made.get(name)
      if (known !== undefined) return known
      const answer = answerTo(name, snapshot)
      made.set(name, answer)
      for (const dependency of answer.dependencies) {
        const names = dependants.get(dependency) ?? new Set()
        dependants.set(dependency, names.add(name))
      }
      return answer
    },
    invalidate(changed) {
      const names = new Set<string>()
      for (const dependency of changed) {
        for (const name of dependants.get(dependency) ?? []) names.add(name)
      }
      for (const name of names) forget(name)
      return names
    },
    get size() {
      return subscribers.size
    },
  }
}
