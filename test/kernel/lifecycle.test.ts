// Start, restart, upgrade, failure and removal of a node's kernel part.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { openKernel } from '../../src/nodeproxy/kernel/open.ts'
import { inHash, openConnection } from './support/connection.ts'
import { objectsWith } from './support/objects.ts'
import { createPod, type TestPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, until } from './support/sockets.ts'

const service = '10.96.0.10'

function nodePath(rig: Rig, ...path: string[]): string {
  const directory = join(rig.options.bpffsDir, 'sluice')
  return join(directory, readdirSync(directory)[0] ?? '', ...path)
}

/** Program ids of all pinned links, by pin. */
function linkedPrograms(rig: Rig): Record<string, number> {
  const dir = nodePath(rig, 'v1', 'links')
  const entries = readdirSync(dir).map((name) => {
    const json = execFileSync('bpftool', ['-j', 'link', 'show', 'pinned', join(dir, name)])
    return [name, (JSON.parse(json.toString()) as { prog_id: number }).prog_id]
  })
  return Object.fromEntries(entries) as Record<string, number>
}

/**
 * Connects without a pause until told to stop, and prints how many failed: unintercepted ones find
 * no route.
 */
async function connectWithoutPause(pod: TestPod, during: () => Promise<void>): Promise<string> {
  const script = `
const net = require('node:net')
let done = 0, failed = 0, stop = false
process.stdin.on('data', () => { stop = true })
const next = () => {
  if (stop && done >= 100) {
    console.log(failed + ' failed of many')
    process.exit()
  }
  done += 1
  const socket = net.connect(80, '${service}')
  socket.on('connect', () => { socket.destroy(); next() })
  socket.on('error', () => { failed += 1; next() })
}
console.log('ready')
next()`
  const netns = `--net=/proc/${process.pid}/fd/${pod.netnsFd}`
  const client = spawn('nsenter', [netns, process.execPath, '-e', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  let printed = ''
  client.stdout.on('data', (data: Buffer) => {
    printed += data.toString()
  })
  await until('the client', () => printed.includes('ready'))
  await during()
  client.stdin.end('stop')
  await once(client, 'close')
  return printed.split('\n')[1] ?? ''
}

test('a restart takes over, and no connect meanwhile is missed', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const before = sockets.connect(pod.netnsFd, service, 80)
  const programs = linkedPrograms(rig)
  // Nobody accepts: more than the backlog holds would wait for ever.
  const accepting = setInterval(() => {
    for (;;) {
      const fd = rig.native.socketAccept(pod.listeners.outbound4)
      if (fd < 0) return
      rig.native.closeFd(fd)
    }
  }, 1)
  rig.defer(() => clearInterval(accepting))
  const outcome = await connectWithoutPause(pod, async () => {
    for (let round = 0; round < 3; round += 1) {
      const next = rig.reopen()
      assert.equal(next.report.start, 'restarted')
      assert.deepEqual(next.enrolledNetns(), [pod.cookie])
      await setImmediate()
    }
  })
  clearInterval(accepting)
  assert.equal(outcome, '0 failed of many')
  const after = linkedPrograms(rig)
  assert.deepEqual(Object.keys(after), Object.keys(programs))
  for (const [link, program] of Object.entries(after))
    assert.notEqual(program, programs[link], link)
  assert.deepEqual(rig.native.socketPeer(before.fd), { address: service, port: 80 })
})

test('a newer verdict program reaches sockets that are in the sockhash already', async (t) => {
  const rig = createRig(t, { everyMode: true })
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  const old = rig.counted(() => sockets.send(it.client, 'x'))
  assert.equal(old.rose.verdictToLeg, 1)
  rig.reopen({ objectDir: objectsWith(rig, { verdict: 'verdict-next' }) })
  const next = rig.counted(() => sockets.send(it.client, 'y'))
  assert.equal(next.rose.verdictTargetGone, 1)
  assert.ok(inHash(rig, it.client))
  assert.equal(Buffer.from(await sockets.read(it.p1, 2)).toString(), 'xy')
  rig.reopen()
  const back = rig.counted(() => sockets.send(it.client, 'z'))
  assert.equal(back.rose.verdictToLeg, 1)
})

test('a program that the verifier rejects changes nothing, and says why', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const before = linkedPrograms(rig)
  const objectDir = objectsWith(rig, { connect: 'rejected' })
  assert.throws(() => openKernel({ ...rig.options, objectDir }), {
    message: /connect4.*rejected by the verifier.*sluice preflight/su,
  })
  assert.deepEqual(linkedPrograms(rig), before)
  const { rose } = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(rose.connectRedirected, 1)
})

test('an update that fails half-way brings back what ran before', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const before = linkedPrograms(rig)
  const objectDir = objectsWith(rig, { connect: 'mistyped' })
  assert.throws(() => openKernel({ ...rig.options, objectDir }), { message: /cannot put program/u })
  const after = linkedPrograms(rig)
  assert.deepEqual({ ...after, ...tracepoints(after) }, { ...before, ...tracepoints(after) })
  const { rose } = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(rose.connectRedirected, 1)
})

function tracepoints(programs: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(programs).filter(([name]) => name.startsWith('enter_')))
}

test('a first start that fails leaves no pin', async (t) => {
  const rig = createRig(t)
  const objectDir = objectsWith(rig, { connect: 'mistyped' })
  const node = 'another'
  assert.throws(() => openKernel({ ...rig.options, node, objectDir }))
  assert.equal(existsSync(join(rig.options.bpffsDir, 'sluice', node, 'v1')), false)
})

test('an optional program that is rejected costs its feature alone', async (t) => {
  const rig = createRig(t)
  const kernel = rig.reopen({
    objectDir: objectsWith(rig, { trace: 'rejected', sockopt: 'rejected' }),
  })
  const off = kernel.report.features.filter(({ on }) => !on)
  assert.deepEqual(
    off.map(({ name }) => name),
    ['setsockopt', 'tracepoints', 'acceleration auto'],
  )
  for (const { reason } of off) assert.match(reason, /rejected by the verifier/u)
  // An accelerated socket without the refusals would hand over clear text with kTLS.
  assert.deepEqual(kernel.settings().acceleration, [])
  kernel.setSettings({ acceleration: ['auto'] })
  assert.deepEqual(kernel.settings().acceleration, [])
})

test('another layout takes over by one write', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: ['10.77.0.9'] })
  const sockets = createSockets(rig)
  const served = sockets.connect(pod.netnsFd, service, 80)
  rig.setActiveLayout(2)
  const passed = rig.counted(() => sockets.connect(pod.netnsFd, '10.77.0.9', 80))
  assert.equal(passed.rose.connectInactive, 1)
  const bind = (fd: number): void => void rig.native.socketBind(fd, '10.77.0.9', 0)
  const inbound = rig.counted(() =>
    rig.asOutsider(() => sockets.connect(pod.netnsFd, pod.ipv4, 8080, { before: bind })),
  )
  assert.equal(inbound.rose.lookupInactive, 1)
  assert.deepEqual(rig.native.socketPeer(served.fd), { address: service, port: 80 })
  rig.kernel.goLive()
  const again = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(again.rose.connectRedirected, 1)
})

test('an older layout goes on beside, until it is removed', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  mkdirSync(nodePath(rig, 'v0', 'links'), { recursive: true })
  const kernel = rig.reopen()
  const before = (fd: number): void => void rig.native.socketBind(fd, pod.ipv4, 0)
  const unknown = (): number =>
    rig.asOutsider(() => sockets.connect(pod.netnsFd, pod.ipv4, 8080, { before })).result
  // A flow that only the older layout knows is not ours to drop.
  assert.equal(rig.counted(unknown).rose.lookupUnpublishedPassed, 1)
  assert.deepEqual(kernel.removeOlderLayouts(), [0])
  assert.equal(existsSync(nodePath(rig, 'v0')), false)
  assert.equal(rig.counted(unknown).rose.lookupUnpublishedDropped, 1)
})

test('what is missing is named, with the fix', async (t) => {
  const rig = createRig(t)
  const plain = mkdtempSync(join(tmpdir(), 'sluice-no-bpffs-'))
  rig.defer(() => rmdirSync(plain))
  const open = (changes: Partial<Rig['options']>) => () =>
    openKernel({ ...rig.options, ...changes })
  assert.throws(open({ bpffsDir: plain }), { message: /no bpffs is mounted .*mount -t bpf/u })
  assert.throws(open({ bpffsDir: '/nowhere' }), { message: /does not exist.*mount -t bpf/u })
  assert.throws(open({ podsCgroupDir: plain }), {
    message: /not on a cgroup2 mount.*mount -t cgroup2/u,
  })
  assert.throws(open({ podsCgroupDir: '/nowhere' }), { message: /pods' cgroup \/nowhere.*ENOENT/u })
  assert.throws(open({ objectDir: plain }), { message: /not built\? run `npm run build`/u })
  assert.throws(open({ mapSizes: { origins: 0 } }), { message: /origins is 0/u })
  assert.throws(open({ mapSizes: { pairSlots: 6 } }), { message: /multiple of 4/u })
  assert.deepEqual(readdirSync(plain), [])
})

test('a pinned map of another shape is not taken over', async (t) => {
  const rig = createRig(t)
  const maps = nodePath(rig, 'v1', 'maps')
  execFileSync('rm', [join(maps, 'origins')])
  const shape = 'type hash key 4 value 4 entries 16 name origins'
  execFileSync('bpftool', ['map', 'create', join(maps, 'origins'), ...shape.split(' ')])
  const before = linkedPrograms(rig)
  assert.throws(() => openKernel(rig.options), { message: /origins.*key size is 4/u })
  assert.deepEqual(linkedPrograms(rig), before)
})

test('maps keep their sizes over a restart, and the report says so', async (t) => {
  const rig = createRig(t)
  const kernel = rig.reopen({ mapSizes: { ...rig.options.mapSizes, origins: 2048 } })
  assert.deepEqual(
    kernel.report.notes.filter((note) => note.startsWith('map ')),
    ['map origins keeps its 1024 entries (configured: 2048) until the node is emptied'],
  )
})

test('uninstall takes every hook away at once', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: ['10.77.0.9'] })
  const sockets = createSockets(rig)
  const server = sockets.listen(pod.netnsFd, '10.77.0.9', 80)
  rig.kernel.uninstall()
  assert.deepEqual(
    readdirSync(rig.options.bpffsDir).filter((name) => !name.endsWith('.debug')),
    [],
  )
  const direct = sockets.connect(pod.netnsFd, '10.77.0.9', 80)
  await sockets.accept(server)
  assert.deepEqual(rig.native.socketPeer(direct.fd), { address: '10.77.0.9', port: 80 })
  const own = sockets.listen(pod.netnsFd, pod.ipv4, 8080)
  sockets.connect(pod.netnsFd, pod.ipv4, 8080)
  await sockets.accept(own)
})

test("hooks follow the kubelet's cgroup when that is made again", async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: ['10.77.0.9'] })
  const sockets = createSockets(rig)
  const before = (fd: number): void => void rig.native.socketBind(fd, '10.77.0.9', 0)
  const probe = (): number | undefined =>
    rig.counted(() => rig.asKubelet(() => sockets.connect(pod.netnsFd, pod.ipv4, 8080, { before })))
      .rose.probePublished
  assert.equal(probe(), 1)
  assert.deepEqual(rig.kernel.reattachHooks(), [])
  rmdirSync(rig.cgroups.kubelet)
  assert.deepEqual(rig.kernel.reattachHooks(), [])
  const meanwhile = rig.reopen()
  const state = meanwhile.report.features.find(({ name }) => name === 'probes')
  assert.match(state?.reason ?? '', /kubelet's cgroup .* is not there yet/u)
  mkdirSync(rig.cgroups.kubelet)
  assert.equal(probe(), undefined)
  assert.deepEqual(meanwhile.reattachHooks(), ['kubelet_life'])
  assert.equal(probe(), 1)
})
