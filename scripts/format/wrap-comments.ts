/** How wide lines may be, tabs counted as `tabWidth`. */
export const maxColumns = 100
const tabWidth = 4

/** A line that is nothing but a comment: what stands before the words, and the words. */
interface CommentLine {
  readonly indent: string
  readonly mark: string
  readonly words: string
}

/**
 * Breaks comment lines that are too wide; what is left over goes to the front of the line below
 * where that continues the sentence. Comments that stand behind code are left alone: a person has
 * to move them.
 */
export function wrapComments(text: string): string {
  const lines = text.split('\n')
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index] ?? ''
    if (columnsOf(line) <= maxColumns) continue
    const opened = openDocComment(line)
    if (opened !== undefined) {
      lines.splice(index, 1, ...opened)
      continue
    }
    wrapLine(lines, index)
  }
  return lines.join('\n')
}

export function columnsOf(line: string): number {
  let columns = 0
  for (const char of line) columns += char === '\t' ? tabWidth - (columns % tabWidth) : 1
  return columns
}

/** A doc comment on one line becomes one on three. */
function openDocComment(line: string): readonly string[] | undefined {
  const [, indent, words] = /^(\s*)\/\*\* (.*) \*\/$/.exec(line) ?? []
  if (indent === undefined || words === undefined) return undefined
  return [`${indent}/**`, `${indent} * ${words}`, `${indent} */`]
}

function wrapLine(lines: string[], index: number): void {
  const comment = parse(lines[index] ?? '')
  if (comment === undefined) return
  const { indent, mark, words } = comment
  const closes = words.endsWith(' */')
  const body = closes ? words.slice(0, -3) : words
  const at = breakBefore(`${indent}${mark}`, body)
  if (at === undefined) return
  const rest = body.slice(at + 1)
  const below = `${indent}${continuationMark(mark)}`
  lines[index] = `${indent}${mark}${body.slice(0, at)}`
  const next = closes ? undefined : parse(lines[index + 1] ?? '')
  if (next !== undefined && continues(`${indent}${mark}`, below, next)) {
    lines[index + 1] = `${next.indent}${next.mark}${rest} ${next.words}`
  } else {
    lines.splice(index + 1, 0, `${below}${rest}${closes ? ' */' : ''}`)
  }
}

function parse(line: string): CommentLine | undefined {
  const [, indent, mark, words] = /^(\s*)((?:\/\/|\/\*|\*(?!\/)) +(?:- )?)(\S.*)$/.exec(line) ?? []
  if (indent === undefined || mark === undefined || words === undefined) return undefined
  return { indent, mark, words }
}

/** A list's second line stands under its words; after the opening of a block comes its star. */
function continuationMark(mark: string): string {
  if (mark.startsWith('/*')) return ' * '
  return mark.replace('- ', '  ')
}

function continues(above: string, below: string, next: CommentLine): boolean {
  const prefix = `${next.indent}${next.mark}`
  if (prefix !== above && prefix !== below) return false
  return !/^(@|\||[-*] |\d+[.)] |```)/.test(next.words) && !next.mark.includes('- ')
}

/** Index of the last space at which the line can be broken; undefined when no word fits. */
function breakBefore(prefix: string, words: string): number | undefined {
  let at: number | undefined
  for (let index = words.indexOf(' '); index !== -1; index = words.indexOf(' ', index + 1)) {
    if (columnsOf(`${prefix}${words.slice(0, index)}`) > maxColumns) break
    at = index
  }
  return at
}
