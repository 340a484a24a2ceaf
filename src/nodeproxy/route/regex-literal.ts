/**
 * The whole elements of a path that every text which a pattern matches begins with, as `/a/b`;
 * empty where that cannot be told. It only narrows where a pattern is looked for, so less than
 * there is would do, and more than there is would lose requests.
 */
export function literalElements(pattern: string): string {
  // An alternative at the top has no common beginning that is worth a parser.
  if (!pattern.startsWith('/') || pattern.includes('|')) return ''
  const literal = /^[A-Za-z0-9/_~!@,;:=&%-]*/.exec(pattern)?.[0] ?? ''
  if (literal === pattern) return withoutSlash(literal)
  // What follows may make the last character optional, or repeat it.
  const isRepeated = '?*+{'.includes(pattern.charAt(literal.length))
  const certain = isRepeated ? literal.slice(0, -1) : literal
  return withoutSlash(certain.slice(0, certain.lastIndexOf('/') + 1))
}

function withoutSlash(path: string): string {
  return path.endsWith('/') ? path.slice(0, -1) : path
}
