// A process beside a cluster that belongs to somebody: when the owner ends without having taken it
// down, SIGKILL included, the pipe that is our standard input ends, and we take it down.
//   janitor.ts CLUSTER
import { text } from 'node:stream/consumers'
import { removeCluster } from './down.ts'

const [cluster = ''] = process.argv.slice(2)

// An interrupt at the terminal ends the owner; we are there for what comes after.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

if ((await text(process.stdin)) !== 'down\n') {
  try {
    await removeCluster(cluster)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    process.stderr.write(`cluster ${cluster}: ${said}\n`)
    process.exitCode = 1
  }
}
