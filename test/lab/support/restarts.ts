import assert from 'node:assert/strict'
import { type Asked, startAsking, startWho } from '../../../src/lab/apps.ts'
import type { LabNodeProxy } from '../../../src/lab/node-proxy.ts'
import { waitFor } from '../../../src/lab/process/wait.ts'
import type { MeshWorld, Mode, Trio } from './mesh-world.ts'
import { script } from './programs.ts'

/** A threaded server that blocks, and one that does not: only such sockets are paired. */
export const port = 8080
export const asyncPort = 8081

export type Asking = ReturnType<typeof startAsking>

export async function addServing(
  world: MeshWorld,
  mode: Mode,
  namespace: string = mode,
): Promise<Trio> {
  const trio = await world.addTrio(namespace, mode)
  await Promise.all([trio.near, trio.far].map((pod) => startWho(pod, pod.name, port)))
  const argv = ['python3', script('who-async.py'), 'near', `${asyncPort}`]
  await trio.near.spawn(argv).waitForLine(/^listening$/u)
  return trio
}

const asking = { intervalMs: 80, patienceMs: 30_000 }

/** A new connection for each question: to the own node, to the other, and from the other. */
export function askAnew({ client, near, far }: Trio): readonly Asking[] {
  return [
    startAsking(client, near.addresses.v4, port, asking),
    startAsking(client, far.addresses.v4, port, asking),
    startAsking(far, near.addresses.v4, port, asking),
  ]
}

/** One connection through the proxy of node1, opened anew when it is cut. */
export function askProxied({ client, far }: Trio): Asking {
  return startAsking(client, far.addresses.v4, port, { ...asking, keep: true })
}

/** One connection that is paired in the kernel where the mode is full. */
export function askPaired({ client, near }: Trio): Asking {
  return startAsking(client, near.addresses.v4, asyncPort, { ...asking, keep: true })
}

/** A namespace of each mode, and clients of all kinds that have had answers. */
export async function serveAllModes(world: MeshWorld) {
  const modes = ['off', 'auto', 'full'] as const
  const trios = await Promise.all(modes.map((mode) => addServing(world, mode)))
  const [off, , full] = trios
  const paired = askPaired(full ?? assert.fail())
  const proxied = askProxied(off ?? assert.fail())
  const fresh = trios.flatMap(askAnew)
  const all = [...fresh, paired, proxied]
  await moreAnswers(all, 3)
  return { trios, paired, proxied, fresh, all }
}

/** The proxy of node1 serves all of them. */
export async function servedAgain(world: MeshWorld, trios: readonly Trio[]): Promise<void> {
  await world.mesh.proxyOn('node1').waitReady()
  for (const { client, near } of trios) await world.mesh.waitEnrolled([client, near])
}

/** Resolves when each has `count` answers more. */
export async function moreAnswers(askings: readonly Asking[], count: number): Promise<void> {
  const before = askings.map((asking) => asking.answers().length)
  await waitFor(
    `${count} more answers of each`,
    () => askings.every((asking, index) => asking.answers().length >= (before[index] ?? 0) + count),
    60_000,
  )
}

export function failures(answers: readonly Asked[]): readonly Asked[] {
  return answers.filter(({ ok }) => !ok)
}

/** When nobody served, in ms of the clock that answers tell of. */
export interface Gap {
  /** The process lived until here. */
  readonly killedAt: number
  /** It was gone by then. */
  readonly deadAt: number
}

/**
 * When the last proxy that was started began to beat; every pod was served by then. It has to log
 * at level debug.
 */
export async function backAt(proxy: LabNodeProxy): Promise<number> {
  const line = await proxy.process.waitForLine(/"phases of the start"/u, 60_000)
  const said = JSON.parse(line) as { startedAt: number; phases: { live: number } }
  return said.startedAt + said.phases.live
}

/** kill -9, and a supervisor that starts it again at once. */
export async function killAndRestart(proxy: LabNodeProxy): Promise<Gap & { backAt: number }> {
  const killedAt = Date.now()
  await proxy.kill()
  const deadAt = Date.now()
  proxy.start()
  return { killedAt, deadAt, backAt: await backAt(proxy) }
}

/** Of the questions that were put before the kill, those that it may have cut. */
export function wasUnderWay(one: Asked, { killedAt, deadAt }: Gap): boolean {
  return one.at <= deadAt && one.at + one.us / 1000 >= killedAt - 1
}

/** Questions that failed although the proxy's end was no reason to. */
export function unexplained(answers: readonly Asked[], gaps: readonly Gap[]): readonly Asked[] {
  return failures(answers).filter((one) => !gaps.some((gap) => wasUnderWay(one, gap)))
}

/** An orderly end would tell its reader that it has everything. */
export function assertCutByReset(cut: Asking): void {
  const ends = failures(cut.answers())
  assert.ok(ends.length > 0, 'it was not cut')
  for (const one of ends) assert.match(one.ok ? '' : one.error, /^ConnectionResetError/u)
}

/** Entries of one of the kernel's maps on this node. */
export async function mapEntries(proxy: LabNodeProxy, map: string): Promise<number> {
  return (await proxy.metrics()).sum('sluice_map_entries', { map })
}

/** All connections have ended: what the kernel still knows of them is left over. */
export async function nothingStays(proxy: LabNodeProxy): Promise<void> {
  for (const map of ['origins', 'bypasses', 'pairs', 'sock_info']) {
    await waitFor(`no entry in ${map} on ${proxy.node.name}`, async () => {
      const entries = await mapEntries(proxy, map)
      if (entries === 0) return true
      throw new Error(`${entries} entries`)
    })
  }
}
