import { sendBytes, startAsking } from '../apps.ts'
import type { LabNodeProxy } from '../node-proxy.ts'
import { waitFor } from '../process/wait.ts'
import { megabytes, milliseconds } from './report.ts'
import { type MeshStage, sample } from './stage.ts'
import { endedSince, failures } from './traffic.ts'
import { SINK_PORT, WHO_PORT } from './world.ts'

/**
 * Slow enough for the reader to keep up on a busy machine, too: bytes that are in the proxy's hands
 * when it dies are lost, and such a stream ends with a reset.
 */
const BULK_BYTES = 40e6
/** Long enough to outlive the proxy's return. */
const BULK_SECONDS = 6

/**
 * The proxy dies under traffic and comes back: nothing that asks anew is refused, and a paired
 * stream goes on.
 */
export async function killUnderTraffic({ world, traffic, report, mesh }: MeshStage): Promise<void> {
  const { sender, sink } = world.bulk
  const proxy = mesh.proxyOn('node1')
  report.part('The proxy of node1 is killed under traffic')
  const stream = sendBytes(sender, sink.addresses.v4, SINK_PORT, BULK_BYTES, BULK_SECONDS).then(
    ({ bytes }) => `${bytes} bytes arrived`,
    (error: unknown) => String(error),
  )
  // Pairs that last are put into the keeper; shorter ones are not worth it.
  await waitFor('the keeper to hold the stream', async () => (await heldPairs(proxy)) > 0)
  const killedAt = Date.now()
  await proxy.kill('SIGKILL')
  const diedAt = Date.now()
  const dead = performance.now()
  proxy.start()
  await proxy.waitReady()
  report.figures.proxyBackMs = Math.round(performance.now() - dead)
  report.say(`it serves again after ${milliseconds((performance.now() - dead) * 1000)}`)
  const outcome = await stream
  await sample(traffic.clients, diedAt)
  const answers = endedSince(traffic.since(0), killedAt)
  const cut = failures(answers).filter(({ at }) => at <= diedAt)
  report.figures.cutByKill = cut.length
  report.say(
    `${answers.length} connections asked since, ${cut.length} were in the proxy when it died`,
  )
  report.check('no new connection failed', failures(answers).length === cut.length)
  report.say(`the paired stream: ${outcome}`)
  report.check(
    `the paired stream of ${megabytes(BULK_BYTES)} went on to its end`,
    outcome === `${BULK_BYTES} bytes arrived`,
  )
  report.check('the keeper lived on', proxy.keeperPid() !== undefined)
}

async function heldPairs(proxy: LabNodeProxy): Promise<number> {
  const { body } = await proxy.admin('/keeper?format=json')
  return (JSON.parse(body) as { readonly pairs: number }).pairs
}

/**
 * A namespace that fails closed is refused while its node has no proxy, and never let through
 * unprotected.
 */
export async function killFailClosed({ world, report, mesh }: MeshStage): Promise<void> {
  const { client, server } = world.vault
  const proxy = mesh.proxyOn('node2')
  report.part('The proxy of node2 is killed, where vault (failure-mode=closed) has its pods')
  const asking = startAsking(client, server.addresses.v4, WHO_PORT, {
    intervalMs: 50,
    patienceMs: 3000,
  })
  await sample([asking], Date.now(), 5)
  await proxy.kill('SIGKILL')
  await waitFor('vault to be refused', () => failures(asking.answers()).length > 2)
  proxy.start()
  await proxy.waitReady()
  const backAt = Date.now()
  const after = await sample([asking], backAt, 10)
  await asking.stop()
  const answers = asking.answers()
  const refused = failures(answers).filter(({ at }) => at < backAt)
  report.figures.refusedFailClosed = refused.length
  report.figures.failedRequests += failures(after).length
  report.say(`${refused.length} connections were refused while it was away`)
  report.check('vault was refused, not let through', refused.length > 0)
  report.check('vault is served again', failures(after).length === 0)
}
