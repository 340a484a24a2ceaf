// What `helm uninstall` runs first: `uninstall --namespace NAME --withdrawer FILE --cleaner FILE`.
import { readFileSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'
import { Command } from 'commander'
import { openKubeApi } from '../kube/api.ts'
import { uninstallCluster, type UninstallOptions } from './uninstall.ts'

interface Flags {
  readonly namespace: string
  readonly withdrawer: string
  readonly cleaner: string
  readonly timeoutSeconds: number
}

const { namespace, withdrawer, cleaner, timeoutSeconds } = new Command('uninstall')
  .description('take the mesh off every node, and end the operator')
  .requiredOption('--namespace <name>', 'where Sluice is')
  .requiredOption('--withdrawer <file>', 'the DaemonSet that un-enrols all pods, as JSON')
  .requiredOption('--cleaner <file>', 'the DaemonSet that cleans nodes, as JSON')
  .option('--timeout-seconds <number>', 'for all of it', Number, 300)
  .parse()
  .opts<Flags>()

const config = new KubeConfig()
config.loadFromDefault()
const say = (message: string) => void process.stdout.write(`uninstall: ${message}\n`)
try {
  await uninstallCluster({
    api: openKubeApi(config),
    namespace,
    withdrawer: readObject(withdrawer),
    cleaner: readObject(cleaner),
    timeoutMs: timeoutSeconds * 1_000,
    say,
  })
} catch (error) {
  say(error instanceof Error ? error.message : String(error))
  process.exitCode = 1
}
// Connections that are kept alive end with the process.
process.exit()

function readObject(file: string): UninstallOptions['cleaner'] {
  return JSON.parse(readFileSync(file, 'utf8')) as UninstallOptions['cleaner']
}
