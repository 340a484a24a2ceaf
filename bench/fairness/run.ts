import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import { buildProgram } from '../l4/world.ts'
import { asJson, asText, type Case, type Latency, PEERS, type Peer, type Round } from './report.ts'
import { inStorm, type Storm, STORMS } from './storms.ts'
import { addPeer, type PeerPods } from './world.ts'
import type { BenchOptions } from '../options.ts'

interface Programs {
  readonly load: string
  readonly storm: string
}

interface Cell {
  readonly storm: Storm
  readonly pods: PeerPods
  readonly rounds: Round[]
}

/**
 * `npm run bench -- fairness`: what a storm of one pod does to the latency of another pod of its
 * node. Each round measures every peer and storm once, alone and right after in the storm, in an
 * order that turns.
 */
export async function runFairness(options: BenchOptions): Promise<void> {
  const storms = STORMS.filter(({ name }) => options.only?.includes(name) ?? true)
  const peers = PEERS.filter((peer) => options.peers?.includes(peer) ?? true)
  const programs = {
    load: buildProgram(new URL('../l4/load.c', import.meta.url)),
    storm: buildProgram(new URL('storm.c', import.meta.url)),
  }
  await using lab = await createLab({ nodes: ['node1'] })
  await forgetTracked(lab)
  await using mesh = await startMesh(lab, { workers: 1, accessLog: 0 })
  const all: PeerPods[] = []
  for (const peer of peers) all.push(await addEnrolled(lab, mesh, peer, programs.load))
  const cells = storms.flatMap((storm) => all.map((pods): Cell => ({ storm, pods, rounds: [] })))
  for (let round = 0; round < options.rounds; round++) {
    process.stderr.write(`round ${round + 1} of ${options.rounds}\n`)
    for (let index = 0; index < cells.length; index++) {
      const cell = cells[(index + round) % cells.length]
      cell?.rounds.push(await measureCell(mesh, cell, programs, options.seconds))
    }
  }
  const cases = cells.map(
    ({ storm, pods, rounds }): Case => ({ storm: storm.name, peer: pods.peer, rounds }),
  )
  const text = options.output === 'json' ? asJson(options.rounds, cases) : asText(cases)
  process.stdout.write(`${text}\n`)
}

/** At this rate the node's conntrack table is full within a minute, whoever the peer is. */
async function forgetTracked(lab: Lab): Promise<void> {
  const argv = ['sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_timeout_time_wait=5']
  await lab.node('node1').exec(argv)
}

async function addEnrolled(lab: Lab, mesh: Mesh, peer: Peer, load: string): Promise<PeerPods> {
  const pods = await addPeer(lab, peer, load)
  if (peer === 'direct' || peer === 'nginx') return pods
  const annotations = { 'sluice.dev/enroll': 'true', 'sluice.dev/accelerate': peer }
  await lab.annotateNamespace(`fair-${peer}`, annotations)
  const { quiet, stormy } = pods
  await mesh.waitEnrolled([quiet.client, quiet.server, stormy.client, stormy.server])
  return pods
}

async function measureCell(
  mesh: Mesh,
  { storm, pods }: Cell,
  { load, storm: binary }: Programs,
  seconds: number,
): Promise<Round> {
  const { quiet, stormy, peer } = pods
  const pingPong = () => measureLatency(quiet.client, load, quiet.target, seconds)
  const before = await mesh.redirected()
  const alone = await pingPong()
  const { result, blown } = await inStorm(storm, binary, stormy.client, stormy.target, pingPong)
  const redirected = (await mesh.redirected()) - before
  // Two measurements, and the storm.
  const isThrough = peer === 'direct' || peer === 'nginx' ? redirected === 0 : redirected > 2
  if (!isThrough) throw new Error(`${peer}: ${redirected} connections went through the proxy`)
  return { alone, stormy: result, ...blown }
}

async function measureLatency(
  client: PeerPods['quiet']['client'],
  load: string,
  { address, port }: PeerPods['quiet']['target'],
  seconds: number,
): Promise<Latency> {
  const argv = [load, 'pingpong', address, `${port}`, '64', `${seconds}`]
  const { stdout } = await client.exec(argv, { timeoutMs: seconds * 1000 + 60_000 })
  return JSON.parse(stdout) as Latency
}
