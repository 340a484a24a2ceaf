import { Command, Option } from 'commander'
import { positive } from '../options.ts'
import type { ControlPlan } from './plan.ts'
import { asJson, asText, type NodeFigures } from './report.ts'
import { measureRealNode } from './real-node.ts'
import { measureControl } from './run.ts'

interface ControlOptions extends ControlPlan {
  readonly output: string
  readonly realNode: boolean
  readonly simulated: boolean
  readonly nodeChanges: number
  readonly nodeServices: number
}

/** `npm run bench -- control` */
export function controlCommand(): Command {
  const number = (flags: string, text: string, preset: number) =>
    new Option(flags, text).argParser(positive).default(preset)
  return new Command('control')
    .description('The operator with a generated cluster, its nodes, and one real node')
    .option('-o, --output <format>', 'text or json', 'text')
    .addOption(number('--nodes <n>', 'simulated nodes', 1_000))
    .addOption(number('--services <n>', 'services', 10_000))
    .addOption(number('--endpoints <n>', 'endpoints of all services', 100_000))
    .addOption(number('--services-per-node <n>', 'that the pods of a node use', 100))
    .addOption(number('--changes-per-second <n>', 'as the API server tells them', 100))
    .addOption(number('--seconds <s>', 'for so long', 60))
    .addOption(number('--seed <n>', 'of the draw of services', 1))
    .addOption(number('--node-changes <n>', 'of an endpoint, on the real node', 300))
    .addOption(number('--node-services <n>', 'whose memory is measured there', 500))
    .option('--no-real-node', 'leave out what needs root and a lab')
    .option('--no-simulated', 'the real node alone')
    .action(run)
}

async function run(options: ControlOptions): Promise<void> {
  const { output, realNode, simulated, nodeChanges, nodeServices, ...plan } = options
  const say = (text: string) => void process.stderr.write(`${text}\n`)
  const figures = simulated ? await measureControl(plan, say) : undefined
  let node: NodeFigures | undefined
  if (realNode) {
    say('real node …')
    const sizes = { services: nodeServices, fewEndpoints: 2, manyEndpoints: 102 }
    node = await measureRealNode({ changes: nodeChanges, ...sizes })
  }
  process.stdout.write(`${output === 'json' ? asJson(figures, node) : asText(figures, node)}\n`)
}
