import { type Command, InvalidArgumentError, Option } from 'commander'
import { runPreflight } from '../nodeproxy/preflight/run.ts'
import { packageVersion } from '../package-version.ts'
import { addClusterOptions, type ClusterOptions } from './cluster/cluster.ts'
import { interruptedStatus, listenForInterruption } from './interruption.ts'
import { renderVerdict } from './preflight-table.ts'
import { clusterText } from './preflight/cluster-table.ts'
import { clusterVerdict } from './preflight/cluster-verdict.ts'
import { CleanUpError } from './preflight/probe-namespace.ts'
import { type Surroundings, thisProcess } from './surroundings.ts'
import { describeTerminal } from './terminal.ts'

interface PreflightOptions extends ClusterOptions {
  readonly output: 'table' | 'json'
  readonly kubepods?: string
  readonly timeout: number
  readonly cluster: boolean
  readonly image?: string
}

const DEFAULT_TIMEOUT_S = 60

/** What the verb acts on; tests bring their own. */
export interface PreflightSurroundings extends Surroundings {
  readonly run: typeof runPreflight
}

const here: PreflightSurroundings = { ...thisProcess, run: runPreflight }

/** `sluice preflight`: exits with 0 when this machine, or all nodes, can run the node proxy. */
export function registerPreflight(program: Command, around = here): void {
  const command = program
    .command('preflight')
    .description(
      'say what this machine can do for Sluice, by trying it; needs no cluster, no network',
    )
    .addOption(
      new Option('-o, --output <format>', 'form of the answer')
        .choices(['table', 'json'])
        .default('table'),
    )
    .option(
      '--kubepods <folder>',
      "cgroup2 folder of the pods, where it is not the kubelet's usual",
    )
    .option('--timeout <seconds>', 'give up on the probes then', parseSeconds, DEFAULT_TIMEOUT_S)
    .option('--cluster', 'ask every node of a cluster instead, each by a pod of a moment', false)
    .option('--image <name>', "of these pods, where it is not the chart's")
  addClusterOptions(command).action(async (options: PreflightOptions) =>
    options.cluster ? askCluster(options, around) : askMachine(options, around),
  )
}

async function askMachine(options: PreflightOptions, around: PreflightSurroundings): Promise<void> {
  const verdict = await around.run({
    timeoutMs: options.timeout * 1000,
    ...(options.kubepods === undefined ? {} : { kubepods: options.kubepods }),
  })
  const text =
    options.output === 'json'
      ? `${JSON.stringify(verdict, undefined, 2)}\n`
      : renderVerdict(verdict, describeTerminal(around.output, around.env))
  around.output.write(text)
  around.setExitCode(verdict.ok ? 0 : 1)
}

async function askCluster(options: PreflightOptions, around: PreflightSurroundings): Promise<void> {
  const { image, kubepods, sluiceNamespace } = options
  const cluster = await around.open(options)
  using interruption = listenForInterruption()
  const { signal } = interruption
  try {
    const verdict = await clusterVerdict(cluster, {
      image,
      presetImage: `sluice.dev/sluice:${packageVersion()}`,
      sluiceNamespace,
      kubepods,
      timeoutMs: options.timeout * 1000,
      nowMs: around.nowMs(),
      signal,
    })
    around.output.write(
      options.output === 'json'
        ? `${JSON.stringify(verdict, undefined, 2)}\n`
        : clusterText(verdict, describeTerminal(around.output, around.env)),
    )
    around.setExitCode(verdict.ok ? 0 : 1)
  } catch (error) {
    if (!signal.aborted || error instanceof CleanUpError) throw error
    around.errors.write('sluice: interrupted; what it made is being deleted\n')
    around.setExitCode(interruptedStatus)
  }
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new InvalidArgumentError('It must be a number of seconds above 0.')
  }
  return seconds
}
