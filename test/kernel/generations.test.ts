// Proxy generations side by side: slots, heartbeats, and that an end removes only what is its own.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test, { type TestContext } from 'node:test'
import { claimLayout, layoutVersion, pairLayout } from '../../src/nodeproxy/kernel/abi.ts'
import { encode, u32Bytes, u64Bytes } from '../../src/nodeproxy/kernel/layout.ts'
import { amount } from './support/guest.ts'
import { createPod } from './support/pod.ts'
import { cgroupId, createRig, type Rig } from './support/rig.ts'
import { defer } from './support/scratch.ts'
import { createSockets } from './support/sockets.ts'

const service = '10.96.0.10'
/** Enough for a silent proxy to lose its slot, and less than a guest has been up. */
const silentNs = 31_000_000_000n
/** Without the lock, one round in twenty went wrong. */
const claimRounds =
  process.env['SLUICE_SOAK'] === '1' ? 5_000 : amount({ usual: 300, emulated: 60 })

function beats(rig: Rig): BigUint64Array {
  return new BigUint64Array(rig.native.bpfMapMmap(rig.kernel.fds.generationsMapFd), 0, 4)
}

function writeClaim(rig: Rig, slot: number, ageNs: bigint): void {
  const claimedNs = rig.native.clockMonotonicNs() - ageNs
  const claim = encode(claimLayout, { claimedNs, cgroupId: 1n, pid: 1, reserved: 0 })
  rig.native.bpfMapUpdate(rig.map('generation_claims'), u32Bytes(slot), claim, 0)
}

/** As a heartbeat thread does: emulated machines are too slow for claims to stay young. */
function keepAlive(rig: Rig, slot: number): number {
  beats(rig)[slot] = rig.native.clockMonotonicNs() + 3_600_000_000_000n
  return slot
}

test('each proxy gets a slot of its own, and gives it back', (t) => {
  const rig = createRig(t)
  assert.equal(rig.generation, 0)
  assert.equal(rig.kernel.pairSlotsPerGeneration, 16)
  const second = rig.reopen()
  assert.equal(keepAlive(rig, second.claimGeneration(77n)), 1)
  assert.throws(() => second.claimGeneration(78n), { message: /has a generation already/u })
  for (const slot of [2, 3]) {
    assert.equal(keepAlive(rig, rig.reopen().claimGeneration(77n)), slot)
  }
  assert.throws(() => rig.reopen().claimGeneration(79n), { message: /all 4 generations .* alive/u })
  second.close()
  assert.equal(rig.reopen().claimGeneration(80n), 1)
})

test('a slot whose proxy has been silent for long is taken over, one that beats is not', (t) => {
  const rig = createRig(t)
  for (const slot of [1, 2, 3]) writeClaim(rig, slot, silentNs)
  beats(rig)[1] = rig.native.clockMonotonicNs()
  assert.equal(rig.reopen().claimGeneration(77n), 2)
})

test('a slot with pairs that still live is taken last, and without them', (t) => {
  const rig = createRig(t)
  const pair = encode(pairLayout, { peerAppCookie: 1n, slot: 16, generation: 1 })
  const put = (): number => rig.native.bpfMapUpdate(rig.map('pairs'), u64Bytes(5n), pair, 0)
  put()
  for (const slot of [2, 3]) {
    assert.equal(keepAlive(rig, rig.reopen().claimGeneration(77n)), slot)
  }
  assert.equal(rig.native.bpfMapDump(rig.map('pairs')).count, 1)
  assert.equal(rig.reopen().claimGeneration(79n), 1)
  assert.equal(rig.native.bpfMapDump(rig.map('pairs')).count, 0)
})

test('two that start at once never get the same slot of a dead one', async (t) => {
  const rig = createRig(t)
  const node = join(rig.options.bpffsDir, 'sluice')
  const directory = join(node, readdirSync(node)[0] ?? '')
  const starters = [1, 2].map(() =>
    startStarter(t, 'claim-worker.ts', directory, `v${layoutVersion}`),
  )
  for (const starter of starters) assert.equal(await starter.next(), 'ready')
  const all = async (line: string): Promise<string[]> => {
    for (const starter of starters) starter.tell(line)
    return Promise.all(starters.map((starter) => starter.next()))
  }
  for (let round = 0; round < claimRounds; round++) {
    for (const slot of [0, 1, 2, 3]) writeClaim(rig, slot, silentNs)
    const slots = await all(`${rig.native.clockMonotonicNs() + 2_000_000n}`)
    assert.notEqual(slots[0], slots[1], `round ${round}`)
    assert.deepEqual(await all('release'), ['released', 'released'])
  }
})

test('two first starts at once share what the quicker one made', async (t) => {
  const rig = createRig(t)
  const { native, ...options } = rig.options
  const node = 'another'
  const told = JSON.stringify({ ...options, node })
  const starters = [1, 2].map(() => startStarter(t, 'start-worker.ts', told))
  for (const starter of starters) assert.equal(await starter.next(), 'ready')
  for (const starter of starters) starter.tell(`${native.clockMonotonicNs() + 50_000_000n}`)
  const said = await Promise.all(starters.map((starter) => starter.next()))
  const fd = native.bpfGetPinned(
    join(rig.options.bpffsDir, 'sluice', node, `v${layoutVersion}`, 'maps', 'origins'),
  )
  const { id } = native.bpfMapInfo(fd)
  native.closeFd(fd)
  assert.deepEqual(said.sort(), [`fresh ${id}`, `restarted ${id}`])
  rig.reopen({ node }).uninstall()
})

interface Starter {
  tell(line: string): void
  next(): Promise<string>
}

function startStarter(t: TestContext, script: string, ...args: string[]): Starter {
  const path = join(import.meta.dirname, 'support', script)
  const child = spawn(process.execPath, [path, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  defer(t, () => {
    child.kill('SIGKILL')
  })
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  return {
    tell: (line) => child.stdin.write(`${line}\n`),
    next: async () => {
      const { value, done } = await lines.next()
      if (done === true) throw new Error('a starter ended')
      return value
    },
  }
}

test('a proxy that stood still takes nothing from who has its slot since', (t) => {
  const rig = createRig(t)
  const second = rig.reopen()
  const slot = second.claimGeneration(77n)
  writeClaim(rig, slot, 0n)
  keepAlive(rig, slot)
  const beat = beats(rig)[slot]
  second.close()
  assert.equal(beats(rig)[slot], beat)
  assert.equal(rig.native.bpfMapDump(rig.map('generation_claims')).count, 2)
})

test('one generation that beats is enough, without any the proxy is dead', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const connect = () => rig.counted(() => sockets.connect(pod.netnsFd, service, 80)).rose
  const second = rig.reopen()
  const slot = second.claimGeneration(cgroupId(rig.cgroups.kubelet))
  keepAlive(rig, slot)
  rig.beat(1000)
  assert.equal(connect().connectRedirected, 1)
  second.close()
  assert.equal(beats(rig)[slot], 0n)
  assert.equal(connect().connectProxyDeadDirect, 1)
})

test("a generation that ends leaves its successor's entries, in the same cgroup too", async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: [service] })
  const sockets = createSockets(rig)
  const proxyConnects = () =>
    rig.counted(() => rig.asProxy(() => sockets.connect(pod.netnsFd, service, 80))).rose
  const second = rig.reopen()
  keepAlive(rig, second.claimGeneration(cgroupId(rig.cgroups.proxy)))
  rig.reopen().close()
  assert.equal(proxyConnects().connectProxyOwn, 1)
  second.close()
  // The second had taken the first one's entry over.
  assert.equal(proxyConnects().connectProxyOwn, 1)
  rig.kernel.close()
  assert.equal(rig.native.bpfMapDump(rig.map('proxy_cgroups')).count, 0)
})

test('a heartbeat thread keeps a proxy alive without the event loop', async (t) => {
  const rig = createRig(t, { settings: { beatMaxAgeMs: 500 } })
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  beats(rig)[rig.generation] = 0n
  const connect = () => rig.counted(() => sockets.connect(pod.netnsFd, service, 80)).rose
  assert.equal(connect().connectProxyDeadDirect, 1)
  const heart = rig.native.heartbeatStart(rig.kernel.fds.generationsMapFd, rig.generation, 50)
  rig.defer(() => heart.stop())
  const busyUntil = performance.now() + 700
  while (performance.now() < busyUntil); // longer than beatMaxAgeMs
  assert.equal(connect().connectRedirected, 1)
})
