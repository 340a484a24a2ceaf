import { type Command, InvalidArgumentError } from 'commander'

/** What every benchmark of several peers may be told. */
export interface BenchOptions {
  readonly output: string
  readonly rounds: number
  /** Length of one timed measurement. */
  readonly seconds: number
  readonly only?: readonly string[]
  readonly peers?: readonly string[]
}

/** @param one what `--only` chooses among */
export function withBenchOptions(command: Command, one: string): Command {
  return command
    .option('-o, --output <format>', 'text or json', 'text')
    .option('--rounds <n>', `rounds; every peer and ${one} once in each`, positive, 9)
    .option('--seconds <s>', 'length of one timed measurement', positive, 1)
    .option(`--only <${one}...>`, `only these ${one}s`)
    .option('--peers <peer...>', 'only these peers')
}

export function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0')
  return value
}
