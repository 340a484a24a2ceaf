/** What a place to print to can do. */
export interface Terminal {
  readonly color: boolean
  readonly columns: number
}

const DEFAULT_COLUMNS = 100

/**
 * Colour only for people: a terminal, and no NO_COLOR (https://no-color.org: present and not
 * empty).
 */
export function describeTerminal(
  stream: { readonly isTTY?: boolean; readonly columns?: number },
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const refused = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  const color = stream.isTTY === true && !refused
  return { color, columns: stream.columns ?? DEFAULT_COLUMNS }
}

/** Breaks text at spaces into lines of at most `columns` characters; a longer word stays whole. */
export function wrap(text: string, columns: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return line === '' ? lines : [...lines, line]
}
