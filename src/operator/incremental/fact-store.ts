import { compareNames } from '../../model/diff.ts'
import { sameData } from '../../model/equal.ts'
import { admitOne } from '../compile/admit.ts'
import type { Facts, Kind } from '../compile/facts.ts'
import type { ProblemLog } from './problem-log.ts'

export type FactsOf<K extends Kind> = Extract<Facts, { kind: K }>

/** The facts in force of every object, by `namespace/name` within its kind. */
export interface FactStore {
  /** @returns what changed; undefined when nothing that is read did */
  put(object: unknown): FactChange | undefined
  remove(kind: Kind, key: string): FactChange | undefined
  get<K extends Kind>(kind: K, key: string): FactsOf<K> | undefined
  /** Those of the keys that are there, sorted by name, so that their order decides nothing. */
  pick<K extends Kind>(kind: K, keys: Iterable<string>): FactsOf<K>[]
  keys(kind: Kind): Iterable<string>
}

export interface FactChange {
  readonly before: Facts | undefined
  readonly now: Facts | undefined
}

export function factKey({ namespace, name }: { namespace: string; name: string }): string {
  return `${namespace}/${name}`
}

export function createFactStore(problems: ProblemLog): FactStore {
  /** Undefined: an object of which nothing is in force, as it was bad from its first day. */
  const kinds = new Map<Kind, Map<string, Facts | undefined>>()

  function ofKind(kind: Kind): Map<string, Facts | undefined> {
    const known = kinds.get(kind) ?? new Map<string, Facts | undefined>()
    kinds.set(kind, known)
    return known
  }

  function get<K extends Kind>(kind: K, key: string): FactsOf<K> | undefined {
    return ofKind(kind).get(key) as FactsOf<K> | undefined
  }

  return {
    get,
    keys: (kind) => ofKind(kind).keys(),
    pick: (kind, keys) => [...keys].sort(compareNames).flatMap((key) => get(kind, key) ?? []),
    put(object) {
      const [kind, key] = identityOf(object)
      const facts = ofKind(kind)
      const before = facts.get(key)
      const admitted = problems.during(`${kind} ${key}`, (report) =>
        admitOne(object, () => before, report),
      )
      const now = admitted?.inForce
      if (now === undefined) facts.set(key, undefined)
      // Most changes of an object are of fields that nobody reads here.
      if (now === undefined || sameFacts(before, now)) return undefined
      facts.set(key, now)
      return { before, now }
    },
    remove(kind, key) {
      problems.forget(`${kind} ${key}`)
      const before = ofKind(kind).get(key)
      ofKind(kind).delete(key)
      if (before === undefined) return undefined
      return { before, now: undefined }
    },
  }
}

/** Maps are no plain data: a slice's ports are compared as lists. */
function sameFacts(before: Facts | undefined, now: Facts): boolean {
  if (before?.kind === 'EndpointSlice' && now.kind === 'EndpointSlice') {
    const plain = { ...before, ports: [...before.ports] }
    return sameData(plain, { ...now, ports: [...now.ports] })
  }
  return sameData(before, now)
}

/** The API server has seen to it that an object has both. */
function identityOf(object: unknown): readonly [Kind, string] {
  const { kind, metadata } = object as {
    readonly kind: Kind
    readonly metadata: { readonly namespace?: string; readonly name: string }
  }
  return [kind, factKey({ namespace: metadata.namespace ?? '', name: metadata.name })]
}
