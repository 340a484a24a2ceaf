/**
 * Whether two values of plain data (what JSON can hold) are the same. A member that is undefined is
 * as one that is not there.
 */
export function sameData(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false
    return a.every((value, index) => sameData(value, b[index]))
  }
  const left = a as Readonly<Record<string, unknown>>
  const right = b as Readonly<Record<string, unknown>>
  let members = 0
  for (const key in left) {
    if (left[key] === undefined) continue
    if (!sameData(left[key], right[key])) return false
    members += 1
  }
  for (const key in right) if (right[key] !== undefined) members -= 1
  return members === 0
}
