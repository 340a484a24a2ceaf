import { readFileSync } from 'node:fs'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type Mesh, startMesh } from '../../src/lab/mesh.ts'
import { measureIdleMemory } from './idle-memory.ts'
import { measure } from './measure.ts'
import {
  asJson,
  asText,
  type Case,
  type IdleMemory,
  PEERS,
  type Peer,
  type Topology,
} from './report.ts'
import { type Measurement, WORKLOADS, type Workload } from './workloads.ts'
import { addPeer, buildProgram, type PeerPods } from './world.ts'
import type { BenchOptions } from '../options.ts'

const TOPOLOGIES: readonly Topology[] = ['same-node', 'two-nodes']
const IDLE_CONNECTIONS = 8000
const WARM_UP_CONNECTIONS = 500

interface World {
  readonly lab: Lab
  readonly mesh: Mesh
  readonly load: string
  readonly peers: readonly PeerPods[]
}

interface Cell {
  readonly topology: Topology
  readonly workload: Workload
  readonly pods: PeerPods
  readonly rounds: Measurement[]
}

/**
 * `npm run bench -- l4`: every peer once in each round, in an order that turns from round to round.
 */
export async function runL4(options: BenchOptions): Promise<void> {
  const workloads = WORKLOADS.filter(({ name }) => chosen(options.only, name))
  const peers = PEERS.filter((peer) => chosen(options.peers, peer))
  await using lab = await createLab()
  const load = buildProgram(new URL('load.c', import.meta.url))
  await using mesh = await startMesh(lab, { workers: 1, accessLog: 0 })
  const world: World = { lab, mesh, load, peers: await addPeers(lab, mesh, peers, load) }
  const cells = TOPOLOGIES.flatMap((topology) =>
    workloads.flatMap((workload) =>
      world.peers.map((pods): Cell => ({ topology, workload, pods, rounds: [] })),
    ),
  )
  for (let round = 0; round < options.rounds; round++) {
    process.stderr.write(`round ${round + 1} of ${options.rounds}\n`)
    await measureRound(world, cells, round, options.seconds)
  }
  const idle = chosen(options.only, 'idle') ? await measureIdle(world) : []
  const cases = cells.map(
    ({ topology, workload, pods, rounds }): Case => ({
      topology,
      workload: workload.name,
      peer: pods.peer,
      rounds,
    }),
  )
  const text = options.output === 'json' ? asJson(options.rounds, cases, idle) : asText(cases, idle)
  process.stdout.write(`${text}\n`)
}

function chosen(names: readonly string[] | undefined, name: string): boolean {
  return names === undefined || names.includes(name)
}

async function addPeers(
  lab: Lab,
  mesh: Mesh,
  peers: readonly Peer[],
  load: string,
): Promise<PeerPods[]> {
  const all: PeerPods[] = []
  for (const peer of peers) {
    const pods = await addPeer(lab, peer, load)
    all.push(pods)
    if (!inMesh(peer)) continue
    await lab.annotateNamespace(`bench-${peer}`, {
      'sluice.dev/enroll': 'true',
      'sluice.dev/accelerate': peer,
    })
    await mesh.waitEnrolled([pods.client, ...Object.values(pods.servers)])
  }
  return all
}

function inMesh(peer: Peer): boolean {
  return peer === 'off' || peer === 'auto' || peer === 'full'
}

async function measureRound(
  { mesh, load }: World,
  cells: readonly Cell[],
  round: number,
  seconds: number,
): Promise<void> {
  const shift = round % cells.length
  const order = [...cells.slice(shift), ...cells.slice(0, shift)]
  for (const { topology, workload, pods, rounds } of order) {
    const alsoInPath = inMesh(pods.peer) ? mesh.cgroups : []
    const redirected = inMesh(pods.peer) ? await mesh.redirected() : 0
    rounds.push(await measure(pods, topology, workload, load, seconds, alsoInPath))
    if (inMesh(pods.peer) && (await mesh.redirected()) <= redirected)
      throw new Error(`${pods.peer}: ${workload.name} did not go through the proxy`)
  }
}

async function measureIdle({ mesh, load, peers }: World): Promise<IdleMemory[]> {
  const results: IdleMemory[] = []
  for (const pods of peers) {
    if (pods.peer === 'direct') continue
    const pids = () => (inMesh(pods.peer) ? mesh.pids() : proxyPids(pods))
    await measureIdleMemory(pods, load, WARM_UP_CONNECTIONS, pids)
    results.push(await measureIdleMemory(pods, load, IDLE_CONNECTIONS, pids))
  }
  return results
}

/** nginx forks: its worker is found by name among the client pod's processes. */
function proxyPids({ peer, client }: PeerPods): number[] {
  return client
    .processes()
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === peer)
}
