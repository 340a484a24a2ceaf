/**
 * The first value of a parameter, as the Gateway API recommends where a name is repeated. Percent
 * codes are decoded, on both sides of the `=`; a `+` is a plus, as in RFC 3986.
 * @returns undefined where it is not there; empty where it has no value
 */
export function queryValue(query: string | undefined, name: string): string | undefined {
  if (query === undefined) return undefined
  let start = 0
  while (start <= query.length) {
    const found = query.indexOf('&', start)
    const end = found === -1 ? query.length : found
    const equals = query.indexOf('=', start)
    const nameEnd = equals === -1 || equals > end ? end : equals
    if (isName(query, start, nameEnd, name)) {
      return nameEnd === end ? '' : decoded(query.slice(nameEnd + 1, end))
    }
    start = end + 1
  }
  return undefined
}

function isName(query: string, start: number, end: number, name: string): boolean {
  if (end - start === name.length && query.startsWith(name, start)) return end > start
  // An encoded name is longer than what it stands for.
  return end - start > name.length && decoded(query.slice(start, end)) === name
}

function decoded(text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    // It is no UTF-8, or no percent code: it is what it is.
    return text
  }
}
