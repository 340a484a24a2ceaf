// Where a SYN to a pod's address goes, and whom the app then sees.
import assert from 'node:assert/strict'
import test from 'node:test'
import { openLeg } from './support/leg.ts'
import { createPod, type TestPod } from './support/pod.ts'
import { nodeInPod, runInPod, setSysctl } from './support/program.ts'
import { createRig, type Rig } from './support/rig.ts'
import { type Connected, createSockets, ECONNREFUSED, type Sockets } from './support/sockets.ts'

const other = '10.77.0.9'
const other6 = 'fd77::9'
const trueClient = { address: '10.88.1.2', port: 41234 }
const trueClient6 = { address: 'fd88::1:2', port: 41235 }

const families = [
  {
    name: 'IPv4',
    own: '10.77.0.2',
    from: other,
    inbound: 'inbound4',
    loopback: '127.9.8.7',
    client: trueClient,
  },
  {
    name: 'IPv6',
    own: 'fd77::2',
    from: other6,
    inbound: 'inbound6',
    loopback: '::1',
    client: trueClient6,
  },
] as const

/** A connection from outside of every pod: no hook sees the socket that opens it. */
function fromOutside(
  rig: Rig,
  sockets: Sockets,
  pod: TestPod,
  from: string,
  to: string,
): Connected {
  return rig.asOutsider(() =>
    sockets.connect(pod.netnsFd, to, 8080, {
      before: (fd) => assert.equal(rig.native.socketBind(fd, from, 0), 0),
    }),
  )
}

function failure(rig: Rig, fd: number): number {
  return rig.native.socketReceive(fd, new Uint8Array(1))
}

function bypasses(rig: Rig): number {
  return rig.kernel.mapFill().find(({ map }) => map === 'bypasses')?.entries ?? Number.NaN
}

for (const { name, own, from, inbound, loopback, client } of families) {
  test(`${name} from outside is handed to the proxy with both addresses as sent`, async (t) => {
    const rig = createRig(t)
    const pod = await createPod(rig, { others: [other, other6] })
    const sockets = createSockets(rig)
    const server = sockets.listen(pod.netnsFd, own, 8080)
    const { result, rose } = rig.counted(() => fromOutside(rig, sockets, pod, from, own))
    assert.equal(rose.lookupInbound, 1)
    const accepted = await sockets.accept(pod.listeners[inbound])
    assert.deepEqual(rig.native.socketLocal(accepted), { address: own, port: 8080 })
    assert.deepEqual(rig.native.socketPeer(accepted), rig.native.socketLocal(result.fd))
    assert.ok(sockets.nothingToAccept(server))
  })

  for (const syncookies of [false, true]) {
    const how = syncookies ? ', with SYN cookies too' : ''
    test(`an announced ${name} leg reaches the app, which sees its client${how}`, async (t) => {
      const rig = createRig(t)
      const { native } = rig
      const pod = await createPod(rig)
      const sockets = createSockets(rig)
      if (syncookies) setSysctl(pod, 'net.ipv4.tcp_syncookies', '2')
      for (const [port, at] of [
        [8080, own],
        [8081, '::'],
      ] as const) {
        const server = sockets.listen(pod.netnsFd, at, port)
        const to = { address: own, port }
        const request = { netnsFd: pod.netnsFd, source: loopback, to, client }
        // The server's side is established with the last ACK, which connect(2) does not wait for.
        const { result, rose } = await rig.countedAsync(async () => ({
          leg: openLeg(rig, sockets, request),
          accepted: await sockets.accept(server),
        }))
        const { leg, accepted } = result
        assert.deepEqual([rose.connectProxyOwn, rose.bypassPublished, rose.bypassTaken], [1, 1, 1])
        assert.ok((rose.lookupBypass ?? 0) >= 1)
        const seen = native.socketPeer(accepted)
        assert.deepEqual({ ...seen, address: seen.address.replace('::ffff:', '') }, client)
        assert.equal(native.socketLocal(accepted).address.replace('::ffff:', ''), own)
        assert.equal(native.socketPeer(leg.fd).address, own)
        assert.equal(bypasses(rig), 0)
      }
    })
  }

  test(`an ${name} leg to a closed port is refused, and leaves nothing behind`, async (t) => {
    const rig = createRig(t)
    const pod = await createPod(rig)
    const sockets = createSockets(rig)
    const to = { address: own, port: 8080 }
    const { result, rose } = rig.counted(() =>
      openLeg(rig, sockets, { netnsFd: pod.netnsFd, source: loopback, to, client }),
    )
    assert.deepEqual([rose.lookupBypass, rose.bypassRemoved], [1, 1])
    assert.equal(failure(rig, result.fd), ECONNREFUSED)
    assert.equal(bypasses(rig), 0)
  })

  test(`an ${name} leg that was not announced does not come back to the proxy`, async (t) => {
    const rig = createRig(t)
    const pod = await createPod(rig)
    const sockets = createSockets(rig)
    sockets.listen(pod.netnsFd, own, 8080)
    for (const source of [loopback, own]) {
      const leg = { netnsFd: pod.netnsFd, source, to: { address: own, port: 8080 }, client }
      const { result, rose } = rig.counted(() => openLeg(rig, sockets, { ...leg, bypass: false }))
      assert.deepEqual([rose.legPlain, rose.lookupUnpublishedDropped], [1, 1])
      assert.equal(failure(rig, result.fd), ECONNREFUSED)
    }
    assert.ok(sockets.nothingToAccept(pod.listeners[inbound]))
  })

  test(`the kubelet's ${name} probes reach the app directly, from their own address`, async (t) => {
    const rig = createRig(t)
    const pod = await createPod(rig, { others: [other, other6] })
    const sockets = createSockets(rig)
    const server = sockets.listen(pod.netnsFd, own, 8080)
    const before = (fd: number): void => void rig.native.socketBind(fd, from, 0)
    const { result, rose } = rig.counted(() =>
      rig.asKubelet(() => sockets.connect(pod.netnsFd, own, 8080, { before })),
    )
    assert.deepEqual([rose.probePublished, rose.lookupProbe, rose.bypassTaken], [1, 1, 1])
    const accepted = await sockets.accept(server)
    assert.deepEqual(rig.native.socketPeer(accepted), rig.native.socketLocal(result.fd))

    const refused = rig.counted(() =>
      rig.asKubelet(() => sockets.connect(pod.netnsFd, own, 8081, { before })),
    )
    assert.equal(failure(rig, refused.result.fd), ECONNREFUSED)
    const elsewhere = rig.counted(() =>
      rig.asKubelet(() => sockets.connect(pod.netnsFd, from, 8081, { before })),
    )
    assert.equal(elsewhere.rose.probeNotPod, 1)
    assert.equal(bypasses(rig), 0)
  })
}

test('a bypass that finds no room resets its leg', async (t) => {
  const rig = createRig(t, { mapSizes: { bypasses: 1 } })
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const [{ own, client, loopback }] = families
  // A leg to where nobody answers keeps its entry: SYNs are dropped on the way.
  const nowhere = { address: '10.99.0.1', port: 80 }
  runInPod(pod, 'ip', ['route', 'add', '10.99.0.0/16', 'dev', 'lo'])
  openLeg(rig, sockets, { netnsFd: pod.netnsFd, source: own, to: nowhere, client })
  assert.equal(bypasses(rig), 1)
  sockets.listen(pod.netnsFd, own, 8080)
  const to = { address: own, port: 8080 }
  const { result, rose } = rig.counted(() =>
    openLeg(rig, sockets, { netnsFd: pod.netnsFd, source: loopback, to, client }),
  )
  assert.deepEqual([rose.bypassMapFull, rose.lookupUnpublishedDropped], [1, 1])
  assert.equal(failure(rig, result.fd), ECONNREFUSED)
})

test('with the proxy dead, a SYN takes the choice of the namespace', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: [other] })
  const sockets = createSockets(rig)
  const server = sockets.listen(pod.netnsFd, pod.ipv4, 8080)
  rig.beat(1000)
  const open = rig.counted(() => fromOutside(rig, sockets, pod, other, pod.ipv4))
  assert.equal(open.rose.lookupProxyDeadDirect, 1)
  await sockets.accept(server)
  rig.kernel.enrolPod({ ...pod.enrolment, failClosed: true })
  const closed = rig.counted(() => fromOutside(rig, sockets, pod, other, pod.ipv4))
  assert.equal(closed.rose.lookupProxyDeadDropped, 1)
  assert.equal(failure(rig, closed.result.fd), ECONNREFUSED)
  rig.beat(0)
  const back = rig.counted(() => fromOutside(rig, sockets, pod, other, pod.ipv4))
  assert.equal(back.rose.lookupInbound, 1)
})

test('without a listener, a SYN and a connect take the choice of the namespace', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: [other] })
  const sockets = createSockets(rig)
  const server = sockets.listen(pod.netnsFd, pod.ipv4, 8080)
  const elsewhere = sockets.listen(pod.netnsFd, other, 8080)
  // Listeners that end with their process leave the map by themselves.
  const enrolWithoutListener = async (failClosed: boolean): Promise<void> => {
    const listener = await rig.asProxyAsync(() => rig.native.netnsListen(pod.netnsFd, 4, 1))
    const listeners = { ...pod.listeners, outbound4: listener, inbound4: listener }
    rig.kernel.enrolPod({ ...pod.enrolment, listeners, failClosed })
    rig.native.closeFd(listener)
  }
  await enrolWithoutListener(false)
  const open = rig.counted(() => fromOutside(rig, sockets, pod, other, pod.ipv4))
  assert.equal(open.rose.lookupNoListenerDirect, 1)
  await sockets.accept(server)
  const direct = rig.counted(() => sockets.connect(pod.netnsFd, other, 8080))
  assert.equal(direct.rose.connectNoListenerDirect, 1)
  await sockets.accept(elsewhere)

  await enrolWithoutListener(true)
  const closed = rig.counted(() => fromOutside(rig, sockets, pod, other, pod.ipv4))
  assert.equal(closed.rose.lookupNoListenerDropped, 1)
  const refused = rig.counted(() => sockets.connect(pod.netnsFd, other, 8080))
  assert.equal(refused.rose.connectNoListenerRefused, 1)
  assert.equal(refused.result.result, ECONNREFUSED)
})

test('accept(2) itself gives the true client, to a dual-stack server too', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const dualStack = sockets.listen(pod.netnsFd, '::', 8080)
  for (const { own, client, loopback } of families) {
    const to = { address: own, port: 8080 }
    openLeg(rig, sockets, { netnsFd: pod.netnsFd, source: loopback, to, client })
    const { fd, address, port } = native.socketAcceptFrom(dualStack)
    rig.defer(() => native.closeFd(fd))
    assert.deepEqual({ address: address.replace('::ffff:', ''), port }, client)
  }
})

test("SYNs to loopback and UDP inside a pod are nobody else's business", async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const server = sockets.listen(pod.netnsFd, '127.0.0.1', 8080)
  const { rose } = rig.counted(() => sockets.connect(pod.netnsFd, '127.0.0.1', 8080))
  assert.equal(rose.lookupNotPod, 1)
  await sockets.accept(server)
  const datagrams = rig.counted(() =>
    nodeInPod(
      pod,
      `
      const socket = require('node:dgram').createSocket('udp4')
      socket.on('message', () => process.exit())
      socket.bind(5353, '${pod.ipv4}', () => socket.send('x', 5353, '${pod.ipv4}'))`,
    ),
  )
  assert.equal(datagrams.rose.lookupNotTcp, 1)
})

test("a pod with another's address does not reach that one's listener", async (t) => {
  const rig = createRig(t)
  const victim = await createPod(rig)
  const addresses = { ipv4: '10.77.0.66', ipv6: 'fd77::66', others: [victim.ipv4, victim.ipv6] }
  const attacker = await createPod(rig, addresses)
  const sockets = createSockets(rig)
  for (const [from, to] of [
    [attacker.ipv4, victim.ipv4],
    [attacker.ipv6, victim.ipv6],
  ] as const) {
    // Its own sockets are intercepted; only a raw packet gets so far.
    const { result, rose } = rig.counted(() => fromOutside(rig, sockets, attacker, from, to))
    assert.equal(rose.lookupNotPod, 1)
    assert.equal(failure(rig, result.fd), ECONNREFUSED)
  }
  // The victim's own connection, from the attacker's namespace: the tuple is published, but not
  // there.
  const app = sockets.connect(victim.netnsFd, '10.96.0.10', 80)
  const p1 = await sockets.accept(victim.listeners.outbound4)
  const { port: source } = rig.native.socketLocal(app.fd)
  const { port } = rig.native.socketLocal(p1)
  const before = (fd: number): void => {
    assert.equal(rig.native.socketBind(fd, victim.ipv4, source), 0)
  }
  const stolen = rig.counted(() =>
    rig.asOutsider(() => sockets.connect(attacker.netnsFd, victim.ipv4, port, { before })),
  )
  assert.equal(stolen.rose.lookupNotPod, 1)
  assert.equal(failure(rig, stolen.result.fd), ECONNREFUSED)
  assert.ok(sockets.nothingToAccept(victim.listeners.outbound4))
})
