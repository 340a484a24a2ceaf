import { Command } from 'commander'
import { controlCommand } from './control/command.ts'
import { runFairness } from './fairness/run.ts'
import { runL4 } from './l4/run.ts'
import { withBenchOptions } from './options.ts'

const program = new Command('bench')
  .description('Benchmarks: peers and Sluice side by side, interleaved, ratios from paired rounds')
  .showHelpAfterError()

withBenchOptions(program.command('l4'), 'workload')
  .description(
    'TCP between two pods: direct, Sluice off, auto and full, HAProxy and nginx in its place',
  )
  .action(runL4)

withBenchOptions(program.command('fairness'), 'storm')
  .description("One pod's storm and another pod's latency: direct, Sluice off and auto, nginx")
  .action(runFairness)

program.addCommand(controlCommand())

await program.parseAsync()
