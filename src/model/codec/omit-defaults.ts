import { sameData } from '../equal.ts'

/**
 * The members that differ from the defaults: what goes on the wire. The reader puts the defaults
 * back, which is also how it reads what an older version, without those fields, wrote.
 */
export function omitDefaults<T extends object>(
  value: T,
  defaults: Readonly<Partial<Record<keyof T, unknown>>>,
): Partial<T> {
  const kept = Object.entries(value).filter(
    ([name, member]) =>
      member !== undefined && !sameData(member, (defaults as Record<string, unknown>)[name]),
  )
  return Object.fromEntries(kept) as Partial<T>
}
