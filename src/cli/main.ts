import { Command } from 'commander'
import { packageVersion } from '../package-version.ts'
import { registerCheck } from './check.ts'
import { registerCompletion } from './completion.ts'
import { registerConfig } from './config.ts'
import { registerLab } from './lab.ts'
import { registerPreflight } from './preflight.ts'
import { registerStatus } from './status.ts'

// Who reads through a pipe may have seen enough (`| head`): no reason for a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const program = new Command('sluice')
  .description('A service mesh for Kubernetes without sidecars, iptables or conntrack')
  .version(packageVersion())
registerCheck(program)
registerStatus(program)
registerConfig(program)
registerPreflight(program)
registerLab(program)
registerCompletion(program)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
