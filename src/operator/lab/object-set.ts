import { readFields, readObject, readText } from '../../model/fields.ts'

/** Names one object, as kubectl would. */
export interface ObjectReference {
  readonly kind: string
  /** Empty, or left out, for kinds without namespaces. */
  readonly namespace?: string
  readonly name: string
}

/**
 * The objects of the lab's API: put, replaced and taken away one by one, never changed in place.
 */
export interface ObjectSet {
  apply(objects: readonly unknown[]): void
  /** @returns the references that named nothing */
  remove(references: readonly ObjectReference[]): readonly ObjectReference[]
  replace(objects: readonly unknown[]): void
  /**
   * Sets annotations, or with null takes them away.
   * @throws Error when there is no such object
   */
  annotate(reference: ObjectReference, annotations: Readonly<Record<string, string | null>>): void
  list(): readonly unknown[]
}

export function createObjectSet(): ObjectSet {
  const objects = new Map<string, unknown>()
  let nameless = 0

  function apply(more: readonly unknown[]): void {
    for (const object of more) {
      // What has no name cannot be replaced; it is kept for the compiler to complain about.
      const key = keyOfObject(object) ?? `nameless ${(nameless += 1)}`
      objects.set(key, object)
    }
  }

  return {
    apply,
    remove: (references) => references.filter((reference) => !objects.delete(keyOf(reference))),
    replace(all) {
      objects.clear()
      apply(all)
    },
    annotate(reference, annotations) {
      const found = objects.get(keyOf(reference))
      if (found === undefined) {
        throw new Error(`there is no ${keyOf(reference)}: apply it first, or correct the name`)
      }
      objects.set(keyOf(reference), annotated(found, annotations))
    },
    list: () => [...objects.values()],
  }
}

function keyOf({ kind, namespace = '', name }: ObjectReference): string {
  return `${kind} ${namespace}/${name}`
}

function keyOfObject(object: unknown): string | undefined {
  let readable = true
  const fields = readFields(object, '', () => {
    readable = false
  })
  const metadata = readObject(fields, 'metadata')
  const kind = readText(fields, 'kind')
  const key = keyOf({
    kind,
    namespace: readText(metadata, 'namespace', ''),
    name: readText(metadata, 'name'),
  })
  return readable ? key : undefined
}

function annotated(
  object: unknown,
  annotations: Readonly<Record<string, string | null>>,
): Readonly<Record<string, unknown>> {
  const whole = readFields(object, '', () => {})
  const metadata = readObject(whole, 'metadata').members
  const before = readObject(readObject(whole, 'metadata'), 'annotations').members
  const after = Object.entries({ ...before, ...annotations }).filter(([, value]) => value !== null)
  return {
    ...whole.members,
    metadata: { ...metadata, annotations: Object.fromEntries(after) },
  }
}
