// The data path, seen at work: `npm run demo`, or `npm run -s demo -- -o json` for one JSON object
// at the end.
import { parseArgs } from 'node:util'
import { watchConntrack } from './demo/conntrack.ts'
import { showDirect } from './demo/direct.ts'
import { enrol } from './demo/enrol.ts'
import { killFailClosed, killUnderTraffic } from './demo/kill.ts'
import { leaveAndReturn } from './demo/leave.ts'
import { createReport, type Report } from './demo/report.ts'
import { failures, startTraffic } from './demo/traffic.ts'
import { buildWorld } from './demo/world.ts'
import { createLab } from './lab.ts'
import { startMesh } from './mesh.ts'
import { labsOnMachine } from './names.ts'

async function play(report: Report): Promise<string> {
  await using lab = await createLab()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void lab.close().then(() => process.exit(1)))
  }
  report.part('Two nodes of network namespaces, with pods, services, servers and clients')
  const world = await buildWorld(lab)
  report.say(
    `${lab.pods.length} pods, services who and web at ${world.who.spec.clusterIPs.join(' and ')}`,
  )
  const conntrack = await watchConntrack(lab.nodes)
  const traffic = startTraffic(world)
  const stage = { world, traffic, conntrack, report }
  const start = Date.now()
  await showDirect(stage)
  await using mesh = await startMesh(lab, { workers: 1 })
  const meshStage = { ...stage, mesh }
  await enrol(meshStage)
  await leaveAndReturn(meshStage)
  await killUnderTraffic(meshStage)
  await traffic.stop()
  const failed = failures(traffic.since(start))
  report.figures.failedRequests += failed.length - report.figures.cutByKill
  if (report.figures.failedRequests > 0) {
    for (const one of failed.slice(0, 10)) report.say(`not answered: ${JSON.stringify(one)}`)
  }
  await killFailClosed(meshStage)
  report.figures.redirected = await mesh.redirected()
  return lab.name
}

const { values } = parseArgs({
  options: { output: { type: 'string', short: 'o', default: 'text' } },
})
const json = values.output === 'json'
// With -o json, standard output is the object's alone.
const report = createReport(
  (line) => void (json ? process.stderr : process.stdout).write(`${line}\n`),
)
try {
  const name = await play(report)
  report.part('Cleaning up')
  report.check('nothing is left on the machine', !labsOnMachine().includes(name))
} catch (error) {
  report.check(error instanceof Error ? error.message : String(error), false)
}
const { failedRequests } = report.figures
report.check('no request failed outside the fail-closed window', failedRequests === 0)
const { ok, json: text } = report.end()
if (json) process.stdout.write(`${text}\n`)
process.exitCode = ok ? 0 : 1
