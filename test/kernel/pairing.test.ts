// Pairing taken up and given back in mid-stream, while both apps and the proxy run at the same
// time.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import test from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { openConnection, type PairSwitches, pairDirection } from './support/connection.ts'
import type { AppSocket, AppsInput, AppsOutput } from './support/pairing-apps.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, EAGAIN } from './support/sockets.ts'

const connections = 24
const bytesEachWay = 1_000_000

/** One direction of one connection, as the proxy forwards it. */
interface Direction {
  readonly from: number
  readonly to: number
  readonly pair: PairSwitches
  /** Read and not forwarded yet. */
  held: Uint8Array
}

/** The reactor's protocol: busy before each read, until everything that was read is forwarded. */
function forward({ native }: Rig, direction: Direction): void {
  if (direction.held.length === 0) {
    direction.pair.busy(true)
    const buffer = new Uint8Array(32_768)
    const result = native.socketReceive(direction.from, buffer)
    if (result < 0) assert.equal(result, EAGAIN)
    direction.held = buffer.subarray(0, Math.max(result, 0))
  }
  while (direction.held.length > 0) {
    const result = native.socketSend(direction.to, direction.held)
    if (result === EAGAIN) return
    assert.ok(result > 0, `forwarding failed: errno ${-result}`)
    direction.held = direction.held.subarray(result)
  }
  direction.pair.busy(false)
}

function startApps(sockets: readonly AppSocket[], randomSeed: number): Promise<AppsOutput> {
  const workerData: AppsInput = { sockets, bytesEachWay, randomSeed }
  const worker = new Worker(join(import.meta.dirname, 'support/pairing-apps.ts'), { workerData })
  return once(worker, 'message').then(([problems]) => problems as AppsOutput)
}

test('no byte is lost, doubled or overtaken when pairing changes in mid-stream', async (t) => {
  const rig = createRig(t, {
    // Small enough to be met all the time, so that TCP takes over and gives back, too.
    settings: { pairLimitBytes: 100_000, legLimitBytes: 50_000, nodeLimitBytes: 2_000_000 },
    mapSizes: { pairSlots: 256 },
  })
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const clients: AppSocket[] = []
  const servers: AppSocket[] = []
  const directions: Direction[] = []
  for (let index = 0; index < connections; index += 1) {
    const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
    const [up, down] = [index * 2 + 1, index * 2 + 2]
    clients.push({ fd: it.client, sendSeed: up, expectSeed: down })
    servers.push({ fd: it.server, sendSeed: down, expectSeed: up })
    const held = new Uint8Array()
    const pairUp = pairDirection(rig, it.client, it.server, index * 2)
    const pairDown = pairDirection(rig, it.server, it.client, index * 2 + 1)
    directions.push({ from: it.p1, to: it.p2, pair: pairUp, held })
    directions.push({ from: it.p2, to: it.p1, pair: pairDown, held })
  }
  const redirects = (): bigint => rig.kernel.counters().verdictToLeg
  const redirectsBefore = redirects()
  const state = { finished: false }
  const apps = Promise.all([startApps(clients, 1), startApps(servers, 2)]).finally(() => {
    state.finished = true
  })
  while (!state.finished) {
    for (const direction of directions) {
      if (Math.random() < 0.05) direction.pair.want(Math.random() < 0.7)
      forward(rig, direction)
    }
    rig.kernel.refreshUsage()
    await setImmediate()
  }
  assert.deepEqual(await apps, [[], []])
  const sums = { direct: 0, tcp: 0 }
  for (const { pair } of directions) {
    const { directBytes, legTcpBytes } = pair.stats()
    sums.direct += Number(directBytes)
    sums.tcp += Number(legTcpBytes)
  }
  const redirected = Number(redirects() - redirectsBefore)
  t.diagnostic(JSON.stringify({ ...sums, redirected }))
  assert.ok(redirected > 100, `into the proxy's leg: ${redirected} times`)
  for (const [way, bytes] of Object.entries(sums)) assert.ok(bytes > 100_000, `${way}: ${bytes}`)
})
