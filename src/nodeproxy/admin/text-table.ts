/** Rows as people read them: columns aligned, the names of the first row's fields above. */
export function textTable(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const [first] = rows
  if (first === undefined) return '(none)\n'
  const names = Object.keys(first)
  const lines = [names.map((name) => name.toUpperCase())]
  for (const row of rows) lines.push(names.map((name) => cell(row[name])))
  const widths = names.map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  )
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('')
}

/** One `name value` line for each leaf, names joined by dots. */
export function textTree(value: unknown, prefix = ''): string {
  if (typeof value !== 'object' || value === null) return `${prefix} ${cell(value)}\n`
  const entries = Object.entries(value)
  if (entries.length === 0) return `${prefix} (none)\n`
  return entries
    .map(([name, inner]) => textTree(inner, prefix === '' ? name : `${prefix}.${name}`))
    .join('')
}

function cell(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '-' : value.map(cell).join(',')
  if (typeof value === 'string') return value === '' ? '-' : value
  if (typeof value === 'bigint') return value.toString()
  return value === undefined ? '-' : JSON.stringify(value)
}
