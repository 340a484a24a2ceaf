// A restart of the same build takes over programs that are pinned, and anything else loads anew.
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Kernel } from '../../src/nodeproxy/kernel/kernel.ts'
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
  const first = restart()
  assert.equal(first.report.start, 'restarted')
  const again = restart()
  assert.equal(again.report.start, 'adopted')
  assert.deepEqual(again.report.features, first.report.features)
  assert.deepEqual(again.settings(), first.settings())
  assert.deepEqual(again.enrolledNetns(), [pod.cookie])
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
  again.removePod(fresh.cookie, 'ended')
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

test('an update that fails half-way leaves nothing to adopt', (t) => {
  const { rig, restart } = createRestarts(t)
  restart()
  const objectDir = objectsWith(rig, { connect: 'mistyped' })
  assert.throws(() => restart({ objectDir }), { message: /cannot put program/u })
  assert.equal(restart().report.start, 'restarted')
  assert.equal(restart().report.start, 'adopted')
})
