import type { Check } from '../../nodeproxy/preflight/verdict.ts'
import { featuresOff, type Mark, marked } from '../preflight-table.ts'
import { alignedTable } from '../table.ts'
import { type Terminal, wrap } from '../terminal.ts'
import type { ClusterVerdict } from './cluster-verdict.ts'
import type { NodeAnswer } from './node-answer.ts'

const indent = '    '

/** A line a node; below, what is wrong, each once with the nodes that say so; then one sentence. */
export function clusterText(verdict: ClusterVerdict, terminal: Terminal): string {
  const { nodes } = verdict
  const rows = nodes.map((answer) => [answer.node, kernelOf(answer), runsOf(answer)])
  const lines = [...alignedTable(['NODE', 'KERNEL', 'SLUICE'], rows)]
  for (const { mark, title, texts } of [...faultsOf(nodes), ...silencesOf(nodes)]) {
    lines.push('', `${marked(mark, terminal)} ${title}`)
    for (const text of texts) {
      lines.push(...wrap(text, terminal.columns - indent.length).map((line) => indent + line))
    }
  }
  lines.push('', ...wrap(sentence(verdict), terminal.columns))
  return `${lines.join('\n')}\n`
}

interface Fault {
  readonly mark: Mark
  readonly title: string
  readonly texts: readonly string[]
}

/** Equal words of several nodes are told once. */
function faultsOf(nodes: readonly NodeAnswer[]): readonly Fault[] {
  const bad = nodes.flatMap((answer) =>
    answer.answered
      ? answer.verdict.checks
          .filter(({ status }) => status === 'fail' || status === 'warn')
          .map((check) => ({ node: answer.node, check, key: JSON.stringify(check) }))
      : [],
  )
  return [...Map.groupBy(bad, ({ key }) => key).values()].flatMap((found) => {
    const [first] = found
    return first === undefined ? [] : faultOf(first.check, listedNodes(found, nodes.length))
  })
}

function faultOf({ status, title, detail, effect, fix }: Check, where: string): readonly Fault[] {
  const texts = [
    detail,
    effect === '' ? '' : `effect: ${effect}`,
    fix === '' ? '' : `fix: ${fix}`,
  ].filter((text) => text !== '')
  return [{ mark: status, title: `${title} (${where})`, texts }]
}

function silencesOf(nodes: readonly NodeAnswer[]): readonly Fault[] {
  const silent = nodes.flatMap((answer) => (answer.answered ? [] : [answer]))
  const groups = Map.groupBy(silent, ({ error, hint }) => JSON.stringify([error, hint]))
  return [...groups.values()].flatMap((found): readonly Fault[] => {
    const [first] = found
    if (first === undefined) return []
    const mark = first.wanted ? 'fail' : 'skip'
    const title = `No answer (${listedNodes(found, nodes.length)})`
    const hint = first.hint === '' ? [] : [`hint: ${first.hint}`]
    return [{ mark, title, texts: [first.error, ...hint] }]
  })
}

const shownAtMost = 8

function listedNodes(found: readonly { readonly node: string }[], all: number): string {
  if (found.length === all && all > 1) return `all ${all} nodes`
  const names = found.slice(0, shownAtMost).map(({ node }) => node)
  const more = found.length > shownAtMost ? ` and ${found.length - shownAtMost} more` : ''
  return names.join(', ') + more
}

function kernelOf(answer: NodeAnswer): string {
  return answer.answered ? answer.verdict.kernel : '-'
}

function runsOf(answer: NodeAnswer): string {
  if (!answer.answered) return answer.wanted ? 'unknown' : 'not for it'
  if (!answer.verdict.ok) return 'cannot run'
  const off = featuresOff(answer.verdict)
  return off.length === 0 ? 'runs' : `runs, without: ${off.join(', ')}`
}

function sentence({ nodes }: ClusterVerdict): string {
  if (nodes.length === 0) return 'The cluster has no node.'
  const wanted = nodes.filter((answer) => answer.answered || answer.wanted)
  const good = wanted.filter((answer) => answer.answered && answer.verdict.ok).length
  const silent = wanted.filter(({ answered }) => !answered).length
  const rest = silent === 0 ? '' : `; of ${silent} it is not known`
  return `Sluice runs on ${good} of ${wanted.length} nodes${rest}.`
}
