import fc from 'fast-check'

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * One change of a document: at the place that `path` leads to, `value` instead of what was there.
 */
interface Mutation {
  readonly path: readonly number[]
  readonly value: Json | undefined
}

const junk = fc.oneof(
  fc.constant(undefined),
  fc.constantFrom<Json>(null, true, 0, -1, 65_536, 1e308, '', '::', '10.0.0.300', 'true', [], {}),
  fc.jsonValue({ maxDepth: 2 }).map((value) => value as Json),
)

/** A few changes anywhere in a document: near enough to a good one to get past the first checks. */
export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({ path: fc.array(fc.nat(30), { maxLength: 7 }), value: junk }),
  { maxLength: 4 },
)

/** The document with the changes made; `undefined` as a value takes the member out. */
export function mutate(document: unknown, changes: readonly Mutation[]): unknown {
  let result: unknown = structuredClone(document)
  for (const { path, value } of changes) result = replaceAt(result, path, value)
  return result
}

function replaceAt(node: unknown, path: readonly number[], value: unknown): unknown {
  const [step, ...rest] = path
  if (step === undefined || typeof node !== 'object' || node === null) return value
  const keys = Object.keys(node)
  const key = keys[step % Math.max(keys.length, 1)]
  if (key === undefined) return value
  const child: unknown = (node as Readonly<Record<string, unknown>>)[key]
  const changed = replaceAt(child, rest, value)
  if (Array.isArray(node)) {
    return node.flatMap((item: unknown, index) => {
      if (String(index) !== key) return [item]
      return changed === undefined ? [] : [changed]
    })
  }
  const members = { ...node, [key]: changed }
  return Object.fromEntries(Object.entries(members).filter(([, each]) => each !== undefined))
}
