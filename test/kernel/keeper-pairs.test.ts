// Spliced connections whose proxy is killed, and what the keeper makes of them.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import test from 'node:test'
import { amount } from './support/guest.ts'
import { ECONNRESET, outcome, pattern, spliced, transfer } from './support/keeper-apps.ts'
import { createKeeperRig } from './support/keeper-rig.ts'
import { defer, eventually } from './support/scratch.ts'

const EAGAIN = -11

test('a spliced connection goes on when its proxy is killed', async (t) => {
  const rig = createKeeperRig(t)
  const { proxy, client, server } = await spliced(t, rig)
  const keeper = await rig.connect()
  assert.equal((await keeper.stats()).pairs, 1)
  assert.deepEqual(await keeper.slotsInUse(), [4, 5])
  assert.equal(rig.native.socketReceive(server.fd, new Uint8Array(1)), EAGAIN)
  await proxy.kill()
  assert.equal(await outcome(rig, server.fd), 1) // what came before, and waited
  await Promise.all([
    transfer(rig, client.fd, server.fd, pattern(2_000_000, 3)),
    transfer(rig, server.fd, client.fd, pattern(2_000_000, 5)),
  ])
  const stats = await keeper.stats()
  assert.equal(stats.adoptedPairs, 1)
  assert.equal(stats.forwardedBytes, 4_000_001)
  client.close()
  assert.equal(await outcome(rig, server.fd), 0)
  server.close()
  await eventually('the end of the pair', async () => (await keeper.stats()).pairs === 0)
  assert.equal(rig.pairControl[4 * 2 + 1], 0n)
})

test('what a proxy has let go of goes on, although the proxy does not end', async (t) => {
  const rig = createKeeperRig(t)
  const { proxy, client, server } = await spliced(t, rig)
  const keeper = await rig.connect()
  assert.equal((await keeper.stats()).adoptedPairs, 0)
  await proxy.order({ do: 'letGo' })
  assert.equal(await outcome(rig, server.fd), 1)
  await Promise.all([
    transfer(rig, client.fd, server.fd, pattern(200_000, 3)),
    transfer(rig, server.fd, client.fd, pattern(200_000, 5)),
  ])
  assert.equal((await keeper.stats()).adoptions, 1)
  await proxy.kill()
  await transfer(rig, client.fd, server.fd, pattern(200_000, 7))
  assert.equal((await keeper.stats()).adoptions, 1)
})

test('a connection whose proxy may have held bytes is reset on both sides', async (t) => {
  const rig = createKeeperRig(t)
  const { proxy, client, server } = await spliced(t, rig)
  const keeper = await rig.connect()
  rig.pairControl[4 * 2 + 1] = 1n // busy
  await proxy.kill()
  assert.equal(await outcome(rig, client.fd), ECONNRESET)
  assert.equal(await outcome(rig, server.fd), ECONNRESET)
  assert.equal((await keeper.stats()).adoptionsRefused, 1)
  assert.deepEqual(await keeper.slotsInUse(), [])
})

test('a receiver that holds enough gets no more until it has read', async (t) => {
  const rig = createKeeperRig(t, { pairLimitBytes: 1000 })
  const { proxy, client, server } = await spliced(t, rig)
  const keeper = await rig.connect()
  rig.queued[0] = 1000n
  await proxy.kill()
  await eventually('adoption', async () => (await keeper.stats()).adoptedPairs === 1)
  rig.native.socketSend(client.fd, pattern(5000, 1))
  // Every answer is a turn of the keeper's loop.
  for (let turn = 0; turn < 100; turn++) {
    assert.equal((await keeper.stats()).forwardedBytes, 0)
  }
  rig.queued[0] = 999n
  let received = 0
  while (received < 5001) received += await outcome(rig, server.fd)
  assert.equal(received, 5001)
})

test('a newer keeper takes over under load, spliced connections included', async (t) => {
  const rig = createKeeperRig(t)
  const { proxy, client, server } = await spliced(t, rig)
  const keeper = await rig.connect()
  const inside = rig.netns()
  const listener = await rig.native.netnsListen(inside.fd, 4, 8)
  defer(t, () => rig.native.closeFd(listener))
  await keeper.putListeners({ uid: 'a', alivePath: '', facts: 'kept', fds: [listener] })
  await proxy.kill()
  assert.equal(await outcome(rig, server.fd), 1)
  const { pid } = await keeper.process()
  const bytes = amount({ usual: 8_000_000, emulated: 3_000_000 })
  const moving = Promise.all([
    transfer(rig, client.fd, server.fd, pattern(bytes, 3)),
    transfer(rig, server.fd, client.fd, pattern(bytes, 5)),
  ])
  const { socketPath, pairControlPin = '', generationsPin = '' } = rig.program
  const pins = ['--pair-control', pairControlPin, '--generations', generationsPin]
  const successor = spawn(rig.program.executable, ['--replace', '--socket', socketPath, ...pins], {
    stdio: 'inherit',
  })
  await eventually('another keeper', async () => (await keeper.process()).pid === successor.pid)
  await moving
  assert.notEqual(successor.pid, pid)
  const stats = await keeper.stats()
  assert.equal(stats.pods, 1)
  assert.equal(stats.adoptedPairs, 1)
  assert.ok(stats.forwardedBytes > 0)
})
