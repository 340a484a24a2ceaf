import { createHash } from 'node:crypto'
import { ask, type Asked, sendBytes } from '../apps.ts'
import type { LabPod } from '../pod.ts'
import { waitFor } from '../process/wait.ts'
import { counts, megabytes, milliseconds } from './report.ts'
import { metricSum, type MeshStage, sample } from './stage.ts'
import { podsChanged, rulesAdded, takeTraces } from './traces.ts'
import { medianUs, whoAnswered } from './traffic.ts'
import { NODE_PORT, SINK_PORT } from './world.ts'

const BULK_BYTES = 256e6
/** So much that the reader keeps up. */
const BULK_SECONDS = 4
const ENROLLED = { 'sluice.dev/enroll': 'true' }

/** Three namespaces join while their programs run. */
export async function enrol(stage: MeshStage): Promise<void> {
  const { world, traffic, conntrack, report, mesh } = stage
  const { lab, shop, bulk, vault } = world
  const pods = [...shop.all, ...Object.values(bulk), ...Object.values(vault)]
  report.part('Namespaces shop, bulk and vault are annotated, while their programs run')
  const before = await takeTraces(lab.nodes, pods)
  const start = performance.now()
  await Promise.all([
    lab.annotateNamespace('shop', ENROLLED),
    lab.annotateNamespace('bulk', { ...ENROLLED, 'sluice.dev/accelerate': 'full' }),
    lab.annotateNamespace('vault', { ...ENROLLED, 'sluice.dev/failure-mode': 'closed' }),
  ])
  await mesh.waitEnrolled(pods)
  report.say(
    `${pods.length} pods are in the mesh ${milliseconds((performance.now() - start) * 1000)} later`,
  )
  // What was on its way when the namespace joined is done after a few more questions.
  await sample(traffic.clients, Date.now(), 3)

  const legs = () => metricSum(mesh, 'sluice_connections_total', { direction: 'outbound' })
  const legsBefore = await legs()
  const mark = conntrack.mark()
  const answers = await sample(traffic.clients, Date.now())
  await showRedirected(stage, answers)
  await showRealPrograms(stage)
  await showPassThrough(stage)
  const entries = conntrack.entriesOf(pods, mark)
  const legsMade = (await legs()) - legsBefore
  await showSplice(stage)

  const after = await takeTraces(lab.nodes, pods)
  const rules = rulesAdded(before, after)
  const translated = entries.filter((entry) => entry.translated)
  const plain = new Set(entries.filter((entry) => !entry.translated).map(({ flow }) => flow))
  Object.assign(report.figures, {
    conntrackAdded: translated.length,
    conntrackPlain: plain.size,
    iptablesRulesAdded: rules.length,
    conntrackPortClashes: entries.filter(({ portClash }) => portClash).length,
    podsChanged: podsChanged(before, after).length,
  })
  report.say(`conntrack: ${translated.length} translated entries, ${plain.size} plain ones of legs`)
  for (const { flow } of translated.slice(0, 5)) report.say(`translated: ${flow}`)
  for (const rule of rules.slice(0, 5)) report.say(`added: ${rule}`)
  for (const pod of podsChanged(before, after)) report.say(`changed: ${pod}`)
  report.check('no connection of an enrolled pod was translated', translated.length === 0)
  report.check(`at most one plain entry a leg (${legsMade})`, plain.size <= legsMade)
  report.check('no iptables or nftables rule was added', rules.length === 0)
  report.check('nothing changed in any pod', podsChanged(before, after).length === 0)
}

async function showRedirected(
  { report, mesh, world }: MeshStage,
  answers: readonly Asked[],
): Promise<void> {
  const { client, servers } = world.shop
  await waitFor(`each of ${answers.length} connections in the proxy's log`, () => {
    const logged = new Set(
      mesh
        .proxyOn(client.node.name)
        .logs()
        .map((line) => line['src.addr']),
    )
    const missing = answers.find((one) => one.ok && !logged.has(socketText(one.local)))
    if (missing === undefined) return true
    throw new Error(`missing ${JSON.stringify(missing)}`)
  })
  report.figures.answeredBy = whoAnswered(answers)
  report.figures.latencyMeshUs = medianUs(answers)
  report.say(
    `${answers.length} new connections of shop/client, answered by ${counts(whoAnswered(answers))}`,
  )
  report.say(`a new connection and its answer take ${milliseconds(medianUs(answers))} (median)`)
  report.check('every new connection went through the proxy', true)
  report.check(
    'both endpoints answer',
    servers.every(({ name }) => (whoAnswered(answers)[name] ?? 0) > 0),
  )
  report.check(
    'client and server see true addresses',
    answers.every(
      (one) =>
        one.ok &&
        one.peer[0] === one.asked[0] &&
        one.answer.accept[0] === one.local[0] &&
        isOwn(client, one.local[0]),
    ),
  )
}

/** nginx and curl, through a ClusterIP. */
async function showRealPrograms({ report, world }: MeshStage): Promise<void> {
  const { client } = world.shop
  const url = `http://${world.web.spec.clusterIP}`
  const sums = await Promise.all(
    world.shop.servers.map(async ({ name, addresses }) => {
      const { stdout } = await client.exec([
        'curl',
        '-s',
        '--fail',
        `http://${addresses.v4}:8000/file`,
      ])
      return (
        createHash('sha256').update(stdout).digest('hex') ===
          createHash('sha256').update(Buffer.alloc(stdout.length, name)).digest('hex') &&
        stdout.length > 0
      )
    }),
  )
  const answered = await Promise.all(
    Array.from(
      { length: 20 },
      async () => (await client.exec(['curl', '-s', '--fail', `${url}/name`])).stdout,
    ),
  )
  report.check('curl gets whole files from nginx on both nodes', sums.every(Boolean))
  report.check('curl reaches nginx on both nodes by the ClusterIP', new Set(answered).size === 2)
}

async function showPassThrough({ report, mesh, world }: MeshStage): Promise<void> {
  const node = world.lab.node('node1')
  const answers = await ask(world.shop.client, node.addresses.v4, NODE_PORT, { count: 10 })
  const passed = await waitFor('connections that passed through', async () => {
    const count = await metricSum(mesh, 'sluice_passthrough_connections_total')
    return count >= answers.length && count
  })
  report.figures.passedThrough = passed
  report.say(
    `${passed} connections to the node's own address, which is not in the mesh, passed through`,
  )
  report.check(
    'what is outside the mesh is reached as before',
    answers.every(({ ok }) => ok),
  )
}

async function showSplice({ report, mesh, world }: MeshStage): Promise<void> {
  const { sender, sink } = world.bulk
  // From the first connection to a listener that is older than the mesh, the kernel learns how its
  // program reads.
  await sendBytes(sender, sink.addresses.v4, SINK_PORT, 1e6)
  const { megabitPerSecond } = await sendBytes(
    sender,
    sink.addresses.v4,
    SINK_PORT,
    BULK_BYTES,
    BULK_SECONDS,
  )
  const paired = await waitFor('bytes of paired connections in the metrics', async () => {
    const bytes = await metricSum(mesh, 'sluice_paired_bytes_total')
    return bytes > 0 && bytes
  })
  report.figures.splicedBytes = paired
  report.figures.spliced = await metricSum(mesh, 'sluice_paired_connections_total')
  report.figures.acceleratedSends = await mesh.counter('verdictToLeg')
  report.say(
    `bulk (accelerate=full): ${megabytes(BULK_BYTES)} arrived whole at ${megabitPerSecond} Mbit/s`,
  )
  report.say(
    `${megabytes(paired)} of it went from application to application in the kernel, past the proxy`,
  )
  report.say(
    `${report.figures.acceleratedSends} sends of applications reached the proxy past the TCP stack`,
  )
  report.check('at least 90 % of a long connection is paired', paired >= 0.9 * BULK_BYTES)
}

function isOwn({ addresses: { v4, v6 } }: LabPod, ip: string): boolean {
  return ip === v4 || ip === v6
}

function socketText([ip, port]: readonly [string, number]): string {
  return ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`
}
