import { styleText } from 'node:util'
import type { Feature, FeatureName } from '../nodeproxy/preflight/features.ts'
import type { Check, CheckStatus, Verdict } from '../nodeproxy/preflight/verdict.ts'
import { type Terminal, wrap } from './terminal.ts'

type Style = 'green' | 'yellow' | 'red' | 'dim' | 'bold'

export type Mark = CheckStatus

const marks: Readonly<Record<Mark, { symbol: string; style: Style }>> = {
  ok: { symbol: '√', style: 'green' },
  warn: { symbol: '‼', style: 'yellow' },
  fail: { symbol: '×', style: 'red' },
  skip: { symbol: '-', style: 'dim' },
}

const INDENT = '    '
const MIN_TEXT_COLUMNS = 40

/**
 * The verdict for people: a line a check with effect and fix below the bad ones, then what is off
 * and what that costs, then one sentence. Checks that could not be made are gathered under their
 * reason.
 */
export function renderVerdict(verdict: Verdict, terminal: Terminal): string {
  const paint = painter(terminal)
  const lines = [paint('bold', `Kernel ${verdict.kernel}`)]
  const shown = verdict.checks.filter((check) => check.status !== 'skip')
  const titleColumns = Math.max(...shown.map((check) => check.title.length))
  for (const check of shown) lines.push(...renderCheck(check, titleColumns, terminal))
  lines.push(...renderSkipped(verdict.checks, terminal))
  lines.push('', paint('bold', 'Features'))
  for (const [name, feature] of featuresOf(verdict)) {
    lines.push(...renderFeature(name, feature, verdict, terminal))
  }
  lines.push('', ...wrap(summarise(verdict), terminal.columns))
  return `${lines.join('\n')}\n`
}

/** One sentence that says whether Sluice runs here, and without what. */
export function summarise(verdict: Verdict): string {
  if (!verdict.ok) {
    const failed = verdict.checks
      .filter((check) => check.status === 'fail')
      .map((check) => check.id)
    return `Sluice cannot run here: ${failed.join(', ')}.`
  }
  const off = featuresOff(verdict)
  return off.length === 0
    ? 'Sluice runs here with every feature.'
    : `Sluice runs here, without: ${off.join(', ')}.`
}

export function featuresOff(verdict: Verdict): readonly FeatureName[] {
  return featuresOf(verdict)
    .filter(([, feature]) => !feature.on)
    .map(([name]) => name)
}

/** The symbol of a status, painted where that is wanted. */
export function marked(mark: Mark, terminal: Terminal): string {
  const { symbol, style } = marks[mark]
  return painter(terminal)(style, symbol)
}

function renderCheck(check: Check, titleColumns: number, terminal: Terminal): readonly string[] {
  const mark = marked(check.status, terminal)
  const head = `${mark} ${check.title.padEnd(titleColumns)}  `
  const indent = ' '.repeat(titleColumns + 4)
  const [first = '', ...more] = wrap(check.detail, textColumns(terminal, indent.length))
  const lines = [`${head}${first}`.trimEnd(), ...more.map((line) => indent + line)]
  if (check.effect !== '') lines.push(...labelled('effect', check.effect, terminal))
  if (check.fix !== '') lines.push(...labelled('fix', check.fix, terminal))
  return lines
}

function renderSkipped(checks: readonly Check[], terminal: Terminal): readonly string[] {
  const skipped = checks.filter((check) => check.status === 'skip')
  if (skipped.length === 0) return []
  const mark = marked('skip', terminal)
  const titles = skipped.map((check) => check.id).join(', ')
  return [
    `${mark} Not probed, because what they need is missing (${skipped.length})`,
    ...wrap(titles, textColumns(terminal, INDENT.length)).map((line) => INDENT + line),
  ]
}

function featuresOf({ features }: Verdict): readonly (readonly [FeatureName, Feature])[] {
  return Object.entries(features) as [FeatureName, Feature][]
}

function renderFeature(
  name: FeatureName,
  feature: Feature,
  { features }: Verdict,
  terminal: Terminal,
): readonly string[] {
  const mark = marked(feature.on ? 'ok' : 'warn', terminal)
  if (feature.on) return [`${mark} ${name}`]
  // Everything builds on interception: its reasons are told once.
  const base = new Set(name === 'interception' ? [] : features.interception.missing)
  const own = feature.missing.filter((id) => !base.has(id))
  const needs = base.size > 0 ? ['interception', ...own] : own
  return [
    `${mark} ${name} is off`,
    ...labelled('cost', feature.cost, terminal),
    ...labelled('needs', needs.join(', '), terminal),
  ]
}

function labelled(label: string, text: string, terminal: Terminal): readonly string[] {
  const head = `${INDENT}${`${label}:`.padEnd(8)}`
  const [first = '', ...more] = wrap(text, textColumns(terminal, head.length))
  return [head + first, ...more.map((line) => ' '.repeat(head.length) + line)]
}

function textColumns(terminal: Terminal, used: number): number {
  return Math.max(MIN_TEXT_COLUMNS, terminal.columns - used)
}

function painter(terminal: Terminal): (style: Style, text: string) => string {
  // validateStream would ask the process's own stdout; the decision is already made in `terminal`.
  return (style, text) =>
    terminal.color ? styleText(style, text, { validateStream: false }) : text
}
