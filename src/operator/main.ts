// The operator: `operator --namespace NAME …`. See options.ts for its flags.
import { KubeConfig } from '@kubernetes/client-node'
import { pino } from 'pino'
import { openKubeApi } from './kube/api.ts'
import { startOperator } from './operator.ts'
import { parseOperatorOptions } from './options.ts'

const options = parseOperatorOptions(process.argv.slice(2))
const log = pino({ base: { pod: options.podName }, level: options.logLevel })
const abort = new AbortController()
const ended = Promise.withResolvers<void>()
for (const name of ['SIGTERM', 'SIGINT'] as const) {
  process.on(name, () => {
    abort.abort()
    ended.resolve()
  })
}

try {
  const config = new KubeConfig()
  if (options.kubeconfig === undefined) config.loadFromDefault()
  else config.loadFromFile(options.kubeconfig)
  await using operator = await startOperator(options, openKubeApi(config), log, abort.signal)
  await ended.promise
  log.info({ grpcPort: operator.grpcPort }, 'stopping')
} catch (error) {
  log.fatal({ error: error instanceof Error ? error.message : error }, 'the operator ends')
  process.exitCode = 1
}
// Watches and timers that are still open end with the process.
process.exit()
