// What the keeper does when no proxy comes back: the node is as it was before there was a mesh.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { type Keeper, openKeeper } from '../../src/nodeproxy/keeper/client.ts'
import { builtKeeper, type KeeperProgram } from '../../src/nodeproxy/keeper/start.ts'
import { nodeDir } from '../../src/nodeproxy/kernel/pins.ts'
import { realTime } from '../../src/nodeproxy/time/scheduler.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { defer, eventually, scratchDir } from './support/scratch.ts'

const afterMs = 400

interface Node {
  readonly program: KeeperProgram
  readonly pins: string
  readonly state: string
  readonly sockets: string
}

/** All that a proxy leaves on a node when it ends. */
function nodeOf(t: TestContext, rig: Rig): Node {
  const scratch = scratchDir(t)
  const pins = nodeDir(rig.options.bpffsDir, rig.options.node)
  const [state, sockets] = [join(scratch, 'state'), join(scratch, 'run')]
  mkdirSync(join(state, 'deeper'), { recursive: true })
  writeFileSync(join(state, 'deeper', 'config.json'), '{}')
  mkdirSync(sockets)
  const takeoverSocket = join(sockets, 'takeover.sock')
  writeFileSync(takeoverSocket, '')
  const program = {
    executable: builtKeeper(),
    socketPath: join(sockets, 'keeper.sock'),
    generationsPin: join(pins, 'v1/maps/generations'),
    giveUpAfterMs: 100,
    removal: { afterMs, pins, state, takeoverSocket },
  }
  return { program, pins, state, sockets }
}

async function open(t: TestContext, rig: Rig, program: KeeperProgram): Promise<Keeper> {
  const { native, generation } = rig
  const keeper = await openKeeper({
    native,
    program,
    generation,
    scheduler: realTime,
    onReplaced: () => {},
  })
  defer(t, () => keeper.close())
  return keeper
}

async function passes(rig: Rig, ms: number): Promise<void> {
  const since = rig.native.clockMonotonicNs()
  await eventually(
    `${ms} ms`,
    () => rig.native.clockMonotonicNs() - since > BigInt(ms) * 1_000_000n,
  )
}

function hooksOf(rig: Rig): string {
  return execFileSync('bpftool', ['cgroup', 'tree', rig.cgroups.root]).toString()
}

function runs(pid: number): boolean {
  const stat = existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/stat`, 'utf8') : ') Z'
  return !stat.includes(') Z')
}

test('without a proxy for so long, nothing of us is left on the node', async (t) => {
  const rig = createRig(t)
  rig.beat(60_000)
  const pod = await createPod(rig)
  const { program, pins, state, sockets } = nodeOf(t, rig)
  const keeper = await open(t, rig, program)
  const { pid } = await keeper.process()
  const listener = await rig.native.netnsListen(pod.netnsFd, 4, 8)
  defer(t, () => rig.native.closeFd(listener))
  await keeper.putListeners({ uid: 'a', alivePath: '', facts: '', fds: [listener] })
  assert.match(hooksOf(rig), /connect4/)

  // It waits for its configuration, or drains: there is no beat, and it is there.
  await passes(rig, afterMs * 3)
  assert.ok(existsSync(pins))

  keeper.close()
  await eventually('the end of the keeper', () => !runs(pid))
  assert.equal(existsSync(dirname(pins)), false)
  assert.equal(existsSync(state), false)
  assert.equal(existsSync(sockets), false)
  assert.doesNotMatch(hooksOf(rig), /connect4|sock_ops/)
})

test('a proxy that comes in time finds everything; what it says of the time counts', async (t) => {
  const rig = createRig(t)
  rig.beat(60_000)
  const { program, pins } = nodeOf(t, rig)
  const first = await open(t, rig, { ...program, removal: { ...removalOf(program), afterMs: 1 } })
  const { pid } = await first.process()
  const second = await open(t, rig, {
    ...program,
    removal: { ...removalOf(program), afterMs: 9e6 },
  })
  first.close()
  second.close()
  await passes(rig, afterMs * 3)
  assert.ok(runs(pid))
  assert.ok(readdirSync(pins).includes('v1'))
  process.kill(pid, 'SIGTERM')
  await eventually('the end of the keeper', () => !runs(pid))
  assert.ok(existsSync(pins))
})

function removalOf({ removal }: KeeperProgram) {
  assert.ok(removal)
  return removal
}
