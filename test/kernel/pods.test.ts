// Pods come, change and go: what is written for them, and that nothing of them stays.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import test from 'node:test'
import type { MapName } from '../../src/nodeproxy/kernel/maps.ts'
import { amount } from './support/guest.ts'
import { createPod } from './support/pod.ts'
import { createRig, type Rig } from './support/rig.ts'
import { createSockets, EINPROGRESS } from './support/sockets.ts'

const service = '10.96.0.10'

function entries(rig: Rig, map: MapName): number {
  return rig.native.bpfMapDump(rig.map(map)).count
}

function lookupLinks(rig: Rig): string[] {
  const directory = join(rig.options.bpffsDir, 'sluice')
  const links = join(directory, readdirSync(directory)[0] ?? '', 'v1', 'links')
  return readdirSync(links).filter((name) => name.startsWith('lookup-'))
}

/** All that a pod can leave behind in the kernel. */
function traces(rig: Rig): Record<string, number> {
  const maps = ['pods_by_netns', 'pods_by_addr', 'listeners', 'origins', 'bypasses'] as const
  const more = ['sock_info', 'pairs', 'pod_habits'] as const
  const counts = [...maps, ...more].map((map): [string, number] => [map, entries(rig, map)])
  return Object.fromEntries([...counts, ['links', lookupLinks(rig).length]])
}

const nothing = {
  pods_by_netns: 0,
  pods_by_addr: 0,
  listeners: 0,
  origins: 0,
  bypasses: 0,
  sock_info: 0,
  pairs: 0,
  pod_habits: 0,
  links: 0,
}

const onePod = { pods_by_netns: 1, pod_habits: 1 }

test('enrolling twice changes nothing, and a removal takes everything', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const enrolled = { ...nothing, ...onePod, pods_by_addr: 2, listeners: 4, links: 1 }
  assert.deepEqual(traces(rig), enrolled)
  rig.kernel.enrolPod(pod.enrolment)
  assert.deepEqual(traces(rig), enrolled)
  rig.kernel.removePod(pod.cookie, 'ended')
  assert.deepEqual(traces(rig), nothing)
  rig.kernel.removePod(pod.cookie, 'ended')
})

test('a pod that loses an address keeps nothing of it', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const { ipv6, ...onlyIpv4 } = pod.enrolment
  rig.kernel.enrolPod(onlyIpv4)
  assert.deepEqual(traces(rig), {
    ...nothing,
    ...onePod,
    pods_by_addr: 1,
    listeners: 2,
    links: 1,
  })
  void ipv6
})

test('another generation registers its own listeners, and closes them', async (t) => {
  const rig = createRig(t)
  const { native, kernel } = rig
  const pod = await createPod(rig)
  assert.ok(kernel.isSteeredTo(pod.enrolment))
  const outbound4 = await native.netnsListen(pod.netnsFd, 4, 16)
  kernel.enrolPod({ ...pod.enrolment, listeners: { ...pod.listeners, outbound4 } })
  assert.ok(!kernel.isSteeredTo(pod.enrolment), 'the others are still ours')
  native.closeFd(outbound4)
  assert.equal(entries(rig, 'listeners'), 3)
  assert.ok(!kernel.isSteeredTo(pod.enrolment))
  kernel.enrolPod(pod.enrolment)
  assert.ok(kernel.isSteeredTo(pod.enrolment))
  const sockets = createSockets(rig)
  const { rose } = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(rose.connectRedirected, 1)
})

test('leaving the mesh: existing connections go on, new ones go direct', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: [service] })
  const sockets = createSockets(rig)
  const app = sockets.connect(pod.netnsFd, service, 80)
  const p1 = await sockets.accept(pod.listeners.outbound4)
  rig.kernel.removePod(pod.cookie, 'left')
  sockets.send(app.fd, 'still here')
  assert.equal((await sockets.read(p1, 10)).length, 10)
  assert.deepEqual(rig.native.socketPeer(app.fd), { address: service, port: 80 })
  const server = sockets.listen(pod.netnsFd, service, 80)
  const next = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(next.rose.connectNotEnrolled, 1)
  await sockets.accept(server)
  assert.deepEqual(rig.kernel.enrolledNetns(), [])
  rig.kernel.enrolPod(pod.enrolment)
  assert.equal(
    rig.counted(() => sockets.connect(pod.netnsFd, service, 80)).rose.connectRedirected,
    1,
  )
})

test('excluding a pod that was enrolled takes it out', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  rig.kernel.excludeNetns(pod.cookie)
  assert.deepEqual(traces(rig), { ...nothing, ...onePod })
})

test('what cannot be enrolled is not half enrolled, and others are unaffected', async (t) => {
  const rig = createRig(t, { mapSizes: { pods: 1 } })
  const first = await createPod(rig)
  const before = traces(rig)
  const sockets = createSockets(rig)
  const full = await createPod(rig, { ipv4: '10.77.0.3', ipv6: 'fd77::3', enrol: false })
  assert.throws(() => rig.kernel.enrolPod(full.enrolment), {
    message: /cannot enrol pod \d+ \(10\.77\.0\.3, fd77::3\).*the map is full: raise its size/u,
  })
  assert.deepEqual(traces(rig), before)

  rig.kernel.removePod(first.cookie, 'ended')
  const { outbound6, ...listeners } = full.listeners
  assert.throws(() => rig.kernel.enrolPod({ ...full.enrolment, listeners }), {
    message: /no listener for its IPv6 address/u,
  })
  void outbound6
  const { ipv4, ipv6, ...without } = full.enrolment
  assert.throws(() => rig.kernel.enrolPod(without), { message: /has no address yet/u })
  void [ipv4, ipv6]
  const closed = await rig.asProxyAsync(() => rig.native.netnsListen(full.netnsFd, 4, 1))
  rig.native.closeFd(closed)
  assert.throws(
    () =>
      rig.kernel.enrolPod({
        ...full.enrolment,
        listeners: { ...full.listeners, inbound4: closed },
      }),
    { message: /register the inbound listener of 10\.77\.0\.3: EBADF/u },
  )
  // Its netns went away between two steps: the descriptor is another file's, or nobody's.
  assert.throws(() => rig.kernel.enrolPod({ ...full.enrolment, netnsFd: closed }), {
    message: /cannot link program/u,
  })
  assert.deepEqual(traces(rig), nothing)

  rig.kernel.enrolPod(full.enrolment)
  const { rose } = rig.counted(() => sockets.connect(full.netnsFd, service, 80))
  assert.equal(rose.connectRedirected, 1)
})

test('an address that is used again gets nothing of its last holder', async (t) => {
  const rig = createRig(t)
  const sockets = createSockets(rig)
  const first = await createPod(rig, { accelerate: 'full' })
  sockets.connect(first.netnsFd, service, 80)
  await sockets.accept(first.listeners.outbound4)
  assert.equal(entries(rig, 'origins'), 1)
  // Nobody said that the first one ended, and its sockets live on.
  const second = await createPod(rig)
  assert.deepEqual(traces(rig), {
    ...nothing,
    ...onePod,
    pods_by_addr: 2,
    listeners: 4,
    links: 1,
  })
  const { result, rose } = rig.counted(() => sockets.connect(second.netnsFd, service, 80))
  assert.equal(result.result, EINPROGRESS)
  assert.equal(rose.lookupOutbound, 1)
  await sockets.accept(second.listeners.outbound4)
  assert.ok(sockets.nothingToAccept(first.listeners.outbound4))
  // A late word about the first one takes nothing from the second.
  rig.kernel.removePod(first.cookie, 'ended')
  assert.equal(
    rig.counted(() => sockets.connect(second.netnsFd, service, 80)).rose.lookupOutbound,
    1,
  )
})

test('pods that ended while no proxy was there are found and removed', async (t) => {
  const rig = createRig(t)
  const kept = await createPod(rig)
  const ended = await createPod(rig, { ipv4: '10.77.0.3', ipv6: 'fd77::3' })
  rig.kernel.excludeNetns(4711n)
  const next = rig.reopen()
  assert.equal(next.removePodsExcept(new Set([kept.cookie])), 2)
  assert.deepEqual(next.enrolledNetns(), [kept.cookie])
  assert.deepEqual(traces(rig), {
    ...nothing,
    ...onePod,
    pods_by_addr: 2,
    listeners: 4,
    links: 1,
  })
  void ended
})

test('a restart finds a link whose netns is gone, and drops it', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const netnsFd = native.netnsCreate(['10.77.0.4'])
  const { cookie } = await native.netnsInspect(netnsFd)
  const pod = await createPod(rig, { enrol: false })
  const listeners = { outbound4: pod.listeners.outbound4, inbound4: pod.listeners.inbound4 }
  const enrolment = { podId: 9, netnsCookie: cookie, netnsFd, ipv4: '10.77.0.4', listeners }
  rig.kernel.enrolPod({ ...enrolment, failClosed: false, accelerate: 'off' })
  native.closeFd(netnsFd)
  assert.equal(lookupLinks(rig).length, 1)
  await untilGone(rig)
  rig.kernel.removePodsExcept(new Set())
  assert.deepEqual(traces(rig), nothing)
})

/**
 * The kernel ends a netns some time after its last descriptor; a link whose netns is gone cannot be
 * updated.
 */
async function untilGone(rig: Rig): Promise<void> {
  const deadline = performance.now() + 120_000
  while (lookupLinks(rig).length > 0 && performance.now() < deadline) {
    rig.reopen().close()
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(lookupLinks(rig).length, 0)
}

test('pods by the thousand leave nothing behind', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pods = amount({ usual: 1000, emulated: 150 })
  const openFds = (): number => readdirSync('/proc/self/fd').length
  const pod = await createPod(rig, { enrol: false })
  rig.map('pods_by_netns')
  traces(rig)
  const before = openFds()
  const times: number[] = []
  for (let index = 0; index < pods; index += 1) {
    const ipv4 = `10.78.${index >> 8}.${index & 255}`
    const netnsFd = native.netnsCreate([])
    const started = performance.now()
    rig.kernel.enrolPod({
      podId: index,
      netnsCookie: BigInt(1_000_000 + index),
      netnsFd,
      ipv4,
      failClosed: false,
      accelerate: 'auto',
      listeners: pod.listeners,
    })
    times.push(performance.now() - started)
    native.closeFd(netnsFd)
    rig.kernel.removePod(BigInt(1_000_000 + index), 'ended')
  }
  assert.deepEqual(traces(rig), nothing)
  assert.equal(openFds(), before)
  const median = times.sort((a, b) => a - b)[pods / 2]
  t.diagnostic(`median of an enrolment: ${median?.toFixed(2)} ms`)
})
