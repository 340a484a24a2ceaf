import type { Cluster } from './cluster.ts'

/** All objects of a collection, page by page. @throws KubeError, or Error without an answer */
export async function listAll<T>(
  { api }: Pick<Cluster, 'api'>,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<readonly T[]> {
  const all: T[] = []
  let next = ''
  do {
    const page = { ...query, limit: '500', ...(next === '' ? {} : { continue: next }) }
    const { items = [], metadata } = (await api.call({ path, query: page })) as {
      readonly items?: readonly T[]
      readonly metadata?: { readonly continue?: string }
    }
    all.push(...items)
    next = metadata?.continue ?? ''
  } while (next !== '')
  return all
}
