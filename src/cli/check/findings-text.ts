import { styleText } from 'node:util'
import { type Terminal, wrap } from '../terminal.ts'
import type { Finding, FindingStatus } from './finding.ts'

type Style = 'green' | 'yellow' | 'red' | 'bold'

const marks: Readonly<Record<FindingStatus, { readonly symbol: string; readonly style: Style }>> = {
  ok: { symbol: '√', style: 'green' },
  warn: { symbol: '‼', style: 'yellow' },
  fail: { symbol: '×', style: 'red' },
}

const indent = '    '
const minColumns = 40

/** As `linkerd check` prints: sections, a line a check, below it what is wrong and what to do. */
export function findingsText(findings: readonly Finding[], terminal: Terminal): string {
  const paint = (style: Style, text: string) =>
    terminal.color ? styleText(style, text, { validateStream: false }) : text
  const columns = Math.max(minColumns, terminal.columns - indent.length)
  const indented = (text: string) => wrap(text, columns).map((line) => indent + line)
  const lines: string[] = []
  for (const [section, found] of Map.groupBy(findings, (finding) => finding.section)) {
    if (lines.length > 0) lines.push('')
    lines.push(paint('bold', section), '-'.repeat(section.length))
    for (const { title, status, detail, hint } of found) {
      const { symbol, style } = marks[status]
      lines.push(`${paint(style, symbol)} ${title}`)
      if (detail !== '') lines.push(...indented(detail))
      if (hint !== '') lines.push(...indented(`hint: ${hint}`))
    }
  }
  const { symbol, style } = marks[worstOf(findings)]
  return `${[...lines, '', `Status check results are ${paint(style, symbol)}`].join('\n')}\n`
}

export function worstOf(findings: readonly Finding[]): FindingStatus {
  if (findings.some(({ status }) => status === 'fail')) return 'fail'
  return findings.some(({ status }) => status === 'warn') ? 'warn' : 'ok'
}
