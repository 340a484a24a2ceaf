import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { registerLab } from './lab.ts'
import { registerPreflight } from './preflight.ts'

const { version } = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
) as { version: string }

const program = new Command('sluice')
  .description('A service mesh for Kubernetes without sidecars, iptables or conntrack')
  .version(version)
registerPreflight(program)
registerLab(program)

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`sluice: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
