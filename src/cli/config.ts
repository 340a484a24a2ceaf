import { type Command, Option } from 'commander'
import type { ConfigRow, ResourceRow } from '../model/status.ts'
import { addClusterOptions, type ClusterOptions } from './cluster/cluster.ts'
import { askReplicas } from './cluster/replicas.ts'
import { type Surroundings, thisProcess } from './surroundings.ts'
import { alignedTable } from './table.ts'

interface ConfigOptions extends ClusterOptions {
  readonly output: 'table' | 'json'
  readonly all: boolean
}

/** A stream of configuration, and the replica that serves it. */
type Stream = ConfigRow & { readonly replica: string }

/** `sluice config node NAME`: exits with 1 when no replica serves that node. */
export function registerConfig(program: Command, around = thisProcess): void {
  const config = program.command('config').description('what nodes hold of the configuration')
  const node = config
    .command('node')
    .description('what a node holds, and what it would be sent')
    .argument('<name>', 'of the node')
    .option('--all', 'also what it holds as it is published', false)
    .addOption(
      new Option('-o, --output <format>', 'json: with what the resources say')
        .choices(['table', 'json'])
        .default('table'),
    )
  addClusterOptions(node).action(async (name: string, options: ConfigOptions) =>
    showNode(name, options, around),
  )
}

async function showNode(name: string, options: ConfigOptions, around: Surroundings): Promise<void> {
  const isJson = options.output === 'json'
  const content = isJson ? '&content=true' : ''
  const path = `/status/config?node=${encodeURIComponent(name)}${content}`
  const cluster = await around.open(options)
  const answers = await askReplicas<ConfigRow>(cluster, options.sluiceNamespace, path)
  const { answered, unanswered } = answers
  const streams = answered.flatMap(({ replica, rows }) => rows.map((row) => ({ replica, ...row })))
  if (isJson) {
    const value = { node: name, streams, unanswered }
    around.output.write(`${JSON.stringify(value, undefined, 2)}\n`)
  } else if (streams.length > 0) {
    around.output.write(streams.map((stream) => streamText(stream, options.all)).join('\n'))
  }
  for (const { pod, error } of isJson ? [] : unanswered) {
    around.errors.write(`replica ${pod} does not answer: ${error}\n`)
  }
  if (streams.length > 0) return around.setExitCode(0)
  if (!isJson) {
    const fix = 'look at `sluice check`, and at the log of its nodeproxy'
    around.errors.write(`node ${name} has no stream to any replica that answered: ${fix}\n`)
  }
  around.setExitCode(1)
}

function streamText(stream: Stream, all: boolean): string {
  const { replica, version, acked, nacked, waiting, lastError, names, holdings } = stream
  const different = holdings.filter((row) => stateOf(row) !== 'held')
  const absent = names.filter(({ told }) => told === 'absent')
  const lines = [
    `served by     ${replica}`,
    `acknowledged  ${version || 'nothing yet'} (${acked} deltas, ${nacked} rejected)`,
    `on its way    ${waiting ? 'a delta that is not acknowledged' : 'nothing'}`,
    ...(lastError === '' ? [] : [`rejected      ${lastError}`]),
    `subscribed    ${names.length} names, ${absent.length} of them nobody's`,
    `holds         ${holdings.filter(({ held }) => held !== '').length} resources, ` +
      `${different.length} differ from what is published`,
  ]
  const shown = all ? holdings : different
  if (shown.length === 0) return `${lines.join('\n')}\n`
  const rows = shown.map((row) => [row.name, row.held || '-', row.wanted || '-', stateOf(row)])
  const table = alignedTable(['RESOURCE', 'HELD', 'PUBLISHED', 'STATE'], rows)
  return `${[...lines, '', ...table].join('\n')}\n`
}

function stateOf({ held, wanted, rejected }: ResourceRow): string {
  if (rejected) return 'rejected'
  if (held === wanted) return 'held'
  if (wanted === '') return 'to be removed'
  return held === '' ? 'to be sent' : 'to be sent anew'
}
