import { Command, InvalidArgumentError } from 'commander'
import { runFairness } from './fairness/run.ts'
import { runL4 } from './l4/run.ts'

function positive(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError('must be a number above 0')
  return value
}

const program = new Command('bench')
  .description('Benchmarks: peers and Sluice side by side, interleaved, ratios from paired rounds')
  .showHelpAfterError()

program
  .command('l4')
  .description(
    'TCP between two pods: direct, Sluice off, auto and full, HAProxy and nginx in its place',
  )
  .option('-o, --output <format>', 'text or json', 'text')
  .option('--rounds <n>', 'rounds; every peer runs once in each', positive, 9)
  .option('--seconds <s>', 'length of one timed measurement', positive, 1)
  .option('--only <workload...>', 'only these workloads')
  .option('--peers <peer...>', 'only these peers')
  .action(runL4)

program
  .command('fairness')
  .description("One pod's storm and another pod's latency: direct, Sluice off and auto, nginx")
  .option('-o, --output <format>', 'text or json', 'text')
  .option('--rounds <n>', 'rounds; every peer and storm once in each', positive, 9)
  .option('--seconds <s>', 'length of one timed measurement', positive, 1)
  .option('--only <storm...>', 'only these storms')
  .option('--peers <peer...>', 'only these peers')
  .action(runFairness)

await program.parseAsync()
