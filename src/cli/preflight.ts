import { type Command, InvalidArgumentError, Option } from 'commander'
import { runPreflight } from '../nodeproxy/preflight/run.ts'
import { renderVerdict } from './preflight-table.ts'
import { describeTerminal } from './terminal.ts'

interface PreflightOptions {
  readonly output: 'table' | 'json'
  readonly kubepods?: string
  readonly timeout: number
}

const DEFAULT_TIMEOUT_S = 60

/** What the verb acts on; tests bring their own. */
export interface PreflightSurroundings {
  readonly run: typeof runPreflight
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean; readonly columns?: number }
  readonly env: Readonly<Record<string, string | undefined>>
  setExitCode(status: number): void
}

const thisProcess: PreflightSurroundings = {
  run: runPreflight,
  output: process.stdout,
  env: process.env,
  // Not process.exit(): a pipe may still hold part of the text.
  setExitCode: (status) => {
    process.exitCode = status
  },
}

/** `sluice preflight`: exits with 0 when this machine can run the node proxy, else with 1. */
export function registerPreflight(program: Command, around = thisProcess): void {
  program
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
    .action(async (options: PreflightOptions) => {
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
    })
}

function parseSeconds(text: string): number {
  const seconds = Number(text)
  if (!Number.isFinite(seconds) || seconds <= 0) {
    throw new InvalidArgumentError('It must be a number of seconds above 0.')
  }
  return seconds
}
