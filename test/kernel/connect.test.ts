// What the connect hooks do, seen by real sockets in a pod's namespace.
import assert from 'node:assert/strict'
import test from 'node:test'
import { createPod } from './support/pod.ts'
import { createRig } from './support/rig.ts'
import { createSockets, ECONNREFUSED, EINPROGRESS, EPERM } from './support/sockets.ts'

const service = '10.96.0.10'
const service6 = 'fd96::10'

const families = [
  { name: 'IPv4', to: service, family: 4, own: '10.77.0.2', listener: 'outbound4' },
  { name: 'IPv6', to: service6, family: 6, own: 'fd77::2', listener: 'outbound6' },
  { name: 'v4-mapped', to: `::ffff:${service}`, family: 6, own: '10.77.0.2', listener: 'outbound4' },
] as const

for (const { name, to, family, own, listener } of families) {
  test(`a connect over ${name} reaches the proxy, and the app sees what it asked for`, async (t) => {
    const rig = createRig(t)
    const { native } = rig
    const pod = await createPod(t, rig)
    const sockets = createSockets(t, rig)
    const { result: app, rose } = rig.counted(() =>
      sockets.connect(pod.netnsFd, to, 80, { family }),
    )
    assert.equal(app.result, EINPROGRESS)
    const { connectRedirected, originPublished, lookupOutbound } = rose
    assert.deepEqual([connectRedirected, originPublished, lookupOutbound], [1, 1, 1])

    const accepted = await sockets.accept(pod.listeners[listener])
    const seenByProxy = native.socketLocal(accepted)
    assert.equal(seenByProxy.address, own)
    assert.ok(seenByProxy.port >= 1 && seenByProxy.port <= 1023, `port ${seenByProxy.port}`)
    assert.equal(native.socketPeer(accepted).address, own)

    const mapped = (address: string): string =>
      family === 6 && !address.includes(':') ? `::ffff:${address}` : address
    assert.deepEqual(native.socketPeer(app.fd), { address: to, port: 80 })
    assert.equal(native.socketLocal(app.fd).address, mapped(own))

    sockets.send(app.fd, 'hello')
    assert.equal(Buffer.from(await sockets.read(accepted, 5)).toString(), 'hello')
  })
}

test('a full dead proxy', async (t) => {
  const rig = createRig(t)
  const open = await createPod(t, rig)
  const sockets = createSockets(t, rig)
  rig.beat(1000)
  const direct = rig.counted(() => sockets.connect(open.netnsFd, service, 80))
  assert.equal(direct.rose.connectProxyDeadDirect, 1)
  rig.kernel.enrolPod({ ...open.enrolment, failClosed: true })
  const refused = rig.counted(() => sockets.connect(open.netnsFd, service, 80))
  assert.equal(refused.result.result, ECONNREFUSED)
  assert.equal(refused.rose.connectProxyDeadRefused, 1)
  void EPERM
})
