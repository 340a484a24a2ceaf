// A restart of the same build takes over programs that are pinned, and anything else loads anew.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Kernel } from '../../src/nodeproxy/kernel/kernel.ts'
import { u32Bytes } from '../../src/nodeproxy/kernel/layout.ts'
import { mapNames } from '../../src/nodeproxy/kernel/maps.ts'
import { objectsWith } from './support/objects.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets } from './support/sockets.ts'

const service = '10.96.0.10'

interface Restarts {
  readonly rig: Rig
  readonly recordPath: string
  /** A proxy that keeps a record, as each start of the node proxy does. */
  readonly restart: (changes?: Parameters<Rig['reopen']>[0]) => Kernel
}

function createRestarts(t: TestContext): Restarts {
  const rig = createRig(t)
  const state = mkdtempSync(join(tmpdir(), 'sluice-adopt-'))
  rig.defer(() => rmSync(state, { recursive: true }))
  const recordPath = join(state, 'kernel.json')
  return { rig, recordPath, restart: (changes) => rig.reopen({ recordPath, ...changes }) }
}

function pinned(rig: Rig, kind: 'links' | 'progs'): string[] {
  const dir = join(rig.options.bpffsDir, 'sluice')
  const layout = join(dir, readdirSync(dir)[0] ?? '', 'v1', kind)
  return readdirSync(layout).map((name) => join(layout, name))
}

test('what is pinned by the same build is taken over whole, and works', async (t) => {
  const { rig, restart } = createRestarts(t)
  const sockets = createSockets(rig)
  const pod = await createPod(rig)
  const since = rig.kernel.enrolledSinceMs(pod.cookie)
  const first = restart()
  assert.equal(first.report.start, 'restarted')
  const again = restart()
  assert.equal(again.report.start, 'adopted')
  assert.deepEqual(again.report.features, first.report.features)
  assert.deepEqual(again.settings(), first.settings())
  assert.deepEqual(again.enrolledNetns(), [pod.cookie])
  assert.ok(since !== undefined && since > 0 && since <= Date.now())
  assert.equal(again.enrolledSinceMs(pod.cookie), since)
  assert.deepEqual(again.reattachHooks(), [])

  const connect = (netnsFd: number) =>
    rig.counted(() => sockets.connect(netnsFd, service, 80)).rose.connectRedirected
  assert.equal(connect(pod.netnsFd), 1)
  assert.ok(again.refreshUsage().sockets >= 0)
  assert.equal(again.mapFill().find(({ map }) => map === 'pods_by_netns')?.entries, 1)
  // A pod that is new needs a program that nobody pinned.
  const fresh = await createPod(rig, { ipv4: '10.77.0.3', ipv6: 'fd77::3', enrol: false })
  again.enrolPod(fresh.enrolment)
  assert.equal(connect(fresh.netnsFd), 1)
  assert.ok((again.enrolledSinceMs(fresh.cookie) ?? 0) > since)
  again.removePod(fresh.cookie, 'ended')
  assert.equal(again.enrolledSinceMs(fresh.cookie), undefined)
  assert.deepEqual(again.enrolledNetns(), [pod.cookie])
})

test('another build is loaded, and is adopted from then on', (t) => {
  const { rig, restart } = createRestarts(t)
  restart()
  const objectDir = objectsWith(rig, { verdict: 'verdict-next' })
  assert.equal(restart({ objectDir }).report.start, 'restarted')
  assert.equal(restart({ objectDir }).report.start, 'adopted')
  assert.equal(restart().report.start, 'restarted')
})

test('nothing is adopted once something is not as it was left', (t) => {
  const { rig, recordPath, restart } = createRestarts(t)
  restart()
  const loses = (what: string, lose: () => void): void => {
    assert.equal(restart().report.start, 'adopted', what)
    lose()
    assert.equal(restart().report.start, 'restarted', what)
  }
  loses('a link', () => unlinkSync(pinned(rig, 'links').find((pin) => /connect4/u.test(pin)) ?? ''))
  loses('a program', () => unlinkSync(pinned(rig, 'progs').find((pin) => /count/u.test(pin)) ?? ''))
  loses('the record', () => unlinkSync(recordPath))
  loses('half of the record', () => writeFileSync(recordPath, '{"stamp":'))
  assert.equal(
    restart({ settings: { ...rig.options.settings, acceleration: [] } }).report.start,
    'restarted',
  )
})

test('what another build pinned is not ours, though the names and our record are', (t) => {
  const { rig, restart } = createRestarts(t)
  restart()
  const { native } = rig
  const refused = (what: string, replace: () => void): void => {
    assert.equal(restart().report.start, 'adopted', what)
    replace()
    assert.equal(restart().report.start, 'restarted', what)
  }
  const onPin = (
    kind: 'links' | 'progs',
    name: RegExp,
    use: (fd: number, path: string) => void,
  ) => {
    const path = pinned(rig, kind).find((one) => name.test(one)) ?? ''
    const fd = native.bpfGetPinned(path)
    use(fd, path)
    native.closeFd(fd)
  }
  // It kept its record somewhere else, so it left ours alone.
  const objectDir = objectsWith(rig, { verdict: 'verdict-next' })
  refused('another build', () => rig.reopen({ objectDir }))
  refused('this build, but loaded by somebody else', () => rig.reopen())
  // A start of this build that was killed half-way.
  const load = (object: string) => loadAgain(rig, object)
  refused('a called program', () => {
    onPin('progs', /count_entries$/u, (_, path) => {
      unlinkSync(path)
      native.bpfPin(load('query')['count_entries'] ?? -1, path)
    })
  })
  refused("a hook's program", () => {
    onPin('links', /connect4-/u, (link) => {
      native.bpfLinkUpdate(link, load('connect')['connect4'] ?? -1)
    })
  })
  refused("a tracepoint's program", () => {
    onPin('links', /enter_fcntl$/u, (_, path) => {
      const program = load('trace')['enter_fcntl'] ?? -1
      const link = native.bpfAttachTracepoint(program, 'syscalls', 'sys_enter_fcntl')
      unlinkSync(path)
      native.bpfPin(link, path)
      native.closeFd(link)
    })
  })
  refused('the verdict', () => {
    const program = u32Bytes(load('verdict')['verdict'] ?? -1)
    native.bpfMapUpdate(rig.map('verdicts'), u32Bytes(0), program, 0)
  })
})

test("a pod's program that was exchanged without its pin is not adopted", async (t) => {
  const { rig, restart } = createRestarts(t)
  await createPod(rig)
  restart()
  assert.equal(restart().report.start, 'adopted')
  const link = rig.native.bpfGetPinned(pinned(rig, 'links').find((p) => /lookup-/u.test(p)) ?? '')
  rig.native.bpfLinkUpdate(link, loadAgain(rig, 'lookup')['lookup'] ?? -1)
  rig.native.closeFd(link)
  assert.equal(restart().report.start, 'restarted')
  assert.equal(restart().report.start, 'adopted')
})

/** The programs of one of our objects once more, on the node's maps. */
function loadAgain(rig: Rig, object: string): Readonly<Record<string, number>> {
  const reuse = Object.fromEntries(mapNames.map((name) => [name, rig.map(name)]))
  const loaded = rig.native.bpfLoad(join(rig.options.objectDir, `${object}.bpf.o`), { reuse })
  rig.defer(() => loaded.close())
  return loaded.programs
}

test('an update that fails half-way leaves nothing to adopt', (t) => {
  const { rig, restart } = createRestarts(t)
  restart()
  const objectDir = objectsWith(rig, { connect: 'mistyped' })
  assert.throws(() => restart({ objectDir }), { message: /cannot put program/u })
  assert.equal(restart().report.start, 'restarted')
  assert.equal(restart().report.start, 'adopted')
})
