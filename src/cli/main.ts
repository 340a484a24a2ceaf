import { Command } from 'commander'
import { registerLab } from './lab.ts'
import { registerPreflight } from './preflight.ts'
import { packageVersion } from '../package-version.ts'

// Who reads through a pipe may have seen enough (`| head`): no reason for a stack trace.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const program = new Command('sluice')
  .description('A service mesh for Kubernetes without sidecars, iptables or conntrack')
  .version(packageVersion())
registerPreflight(program)
registerLab(program)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
