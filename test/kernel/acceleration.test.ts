// Which modes of acceleration this kernel serves, by what it counts of accelerated sockets.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { whyNotAccelerated } from '../../src/nodeproxy/kernel/acceleration.ts'
import { inHash, openConnection } from './support/connection.ts'
import { objectsWith } from './support/objects.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, until } from './support/sockets.ts'

const bytes = 'sixteen bytes...'

function servesAuto(rig: Rig): boolean {
  return rig.kernel.settings().acceleration.includes('auto')
}

test('auto is served exactly where FIONREAD counts what the proxy sends', async (t) => {
  const rig = createRig(t)
  const allowed = servesAuto(rig)
  rig.kernel.setSettings({ acceleration: ['auto', 'full'] })
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  for (const [from, to] of [
    [it.p1, it.client],
    [it.p2, it.server],
  ] as const) {
    assert.ok(inHash(rig, to))
    const { rose } = rig.counted(() => sockets.send(from, bytes))
    assert.deepEqual(rose, {}, 'by TCP')
    // Bytes have arrived when they can be received; one stays behind to be asked about.
    assert.equal((await sockets.read(to, bytes.length - 1)).length, bytes.length - 1)
    const told = rig.native.socketUnread(to)
    assert.equal(told === 1, allowed, `FIONREAD says ${told}, and auto is ${allowed}`)
  }
})

test('the verdict is told, and says what a pod that asks for auto gets', async (t) => {
  const rig = createRig(t)
  const state = rig.kernel.report.features.find(({ name }) => name === 'acceleration auto')
  assert.ok(state)
  assert.equal(state.on, servesAuto(rig))
  const told = rig.kernel.report.notes.filter((note) => note.startsWith('acceleration auto is off'))
  assert.equal(told.length, state.on ? 0 : 1)
  if (state.on) assert.equal(state.reason, '')
  else assert.match(state.reason, /FIONREAD .* nginx/u)
})

test('no mode is served where redirected bytes are charged to nobody, whoever asks', async (t) => {
  const rig = createRig(t)
  assert.ok(rig.kernel.settings().acceleration.includes('full'), 'this kernel charges them')
  const state = mkdtempSync(join(tmpdir(), 'sluice-acceleration-'))
  rig.defer(() => rmSync(state, { recursive: true }))
  const objectDir = objectsWith(rig, { redirect: 'uncharged' })
  const recordPath = join(state, 'kernel.json')
  for (const start of ['restarted', 'adopted']) {
    const kernel = rig.reopen({ objectDir, recordPath })
    assert.equal(kernel.report.start, start)
    const off = kernel.report.features.filter(({ on }) => !on)
    assert.deepEqual(
      off.map(({ name }) => name),
      ['acceleration', 'acceleration auto'],
    )
    for (const { reason } of off) assert.match(reason, /does not charge redirected bytes .*0 for/u)
    assert.match(whyNotAccelerated(kernel.report, kernel.settings(), 'full'), /does not charge/u)
    kernel.setSettings({ acceleration: ['auto', 'full'] })
    assert.deepEqual(kernel.settings().acceleration, [])
  }
})

test('a start that could not ask leaves the question to the next one', (t) => {
  const rig = createRig(t)
  const state = mkdtempSync(join(tmpdir(), 'sluice-acceleration-'))
  rig.defer(() => rmSync(state, { recursive: true }))
  const recordPath = join(state, 'kernel.json')
  const objectDir = objectsWith(rig, { redirect: 'rejected' })
  for (let start = 0; start < 2; start += 1) {
    const kernel = rig.reopen({ objectDir, recordPath })
    assert.equal(kernel.report.start, 'restarted')
    const told = kernel.report.features.find(({ name }) => name === 'acceleration')
    assert.match(told?.reason ?? '', /could not be asked/u)
    assert.deepEqual(kernel.settings().acceleration, [])
  }
})

test('where auto is not served its sockets stay out, and those of full enter', async (t) => {
  const rig = createRig(t, { settings: { acceleration: ['full'] } })
  assert.deepEqual(rig.kernel.settings().acceleration, ['full'])
  for (const [accelerate, port] of [
    ['auto', 8080],
    ['full', 8081],
  ] as const) {
    const pod = await createPod(rig, { accelerate })
    const sockets = createSockets(rig)
    const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, port), port }
    const { result, rose } = await rig.countedAsync(() =>
      openConnection(rig, sockets, pod, { accelerate, server }),
    )
    const ends = [result.client, result.p1, result.p2, result.server]
    const enters = accelerate === 'full'
    assert.deepEqual(
      ends.map((fd) => inHash(rig, fd)),
      ends.map(() => enters),
      accelerate,
    )
    assert.equal((rose.hashSkippedOff ?? 0) > 0, !enters)
    for (const [from, to] of [
      [result.client, result.p1],
      [result.p2, result.server],
    ] as const) {
      sockets.send(from, bytes)
      if (!enters)
        await until('FIONREAD to say all', () => rig.native.socketUnread(to) === bytes.length)
      assert.equal(Buffer.from(await sockets.read(to, bytes.length)).toString(), bytes)
    }
  }
})
