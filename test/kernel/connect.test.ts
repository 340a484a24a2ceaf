// What the connect hooks do to real sockets in a pod's namespace.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { KernelEvent } from '../../src/nodeproxy/kernel/events.ts'
import { spreadCount, spreadFirst } from '../../src/nodeproxy/kernel/abi.ts'
import { createPod } from './support/pod.ts'
import { nodeInPod, runInPod, setSysctl } from './support/program.ts'
import { createRig } from './support/rig.ts'
import {
  createSockets,
  ECONNABORTED,
  ECONNREFUSED,
  EINPROGRESS,
  EPERM,
  until,
} from './support/sockets.ts'

const service = '10.96.0.10'
const service6 = 'fd96::10'
const IPPROTO_MPTCP = 262
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const one = new Uint8Array(new Int32Array([1]).buffer)

const families = [
  { name: 'IPv4', to: service, family: 4, own: '10.77.0.2', listener: 'outbound4' },
  { name: 'IPv6', to: service6, family: 6, own: 'fd77::2', listener: 'outbound6' },
  {
    name: 'v4-mapped',
    to: `::ffff:${service}`,
    family: 6,
    own: '10.77.0.2',
    listener: 'outbound4',
  },
] as const

for (const protocol of [0, IPPROTO_MPTCP]) {
  for (const { name, to, family, own, listener } of families) {
    const kind = protocol === 0 ? 'a connect' : 'an MPTCP connect'
    test(`${kind} over ${name} reaches the proxy, unseen by the app`, async (t) => {
      const rig = createRig(t)
      const { native } = rig
      const pod = await createPod(rig)
      const sockets = createSockets(rig)
      const { result: app, rose } = rig.counted(() =>
        sockets.connect(pod.netnsFd, to, 80, { family, protocol }),
      )
      assert.equal(app.result, EINPROGRESS)
      const { connectRedirected, originPublished, lookupOutbound } = rose
      assert.deepEqual([connectRedirected, originPublished, lookupOutbound], [1, 1, 1])

      const accepted = await sockets.accept(pod.listeners[listener])
      const seenByProxy = native.socketLocal(accepted)
      assert.equal(seenByProxy.address, own)
      const offset = seenByProxy.port - spreadFirst
      assert.ok(offset >= 0 && offset < spreadCount, `port ${seenByProxy.port}`)
      assert.equal(native.socketPeer(accepted).address, own)

      const told = rig.counted(() => native.socketPeer(app.fd))
      assert.deepEqual(told.result, { address: to, port: 80 })
      assert.equal(protocol === 0 ? told.rose.peernameOrigin : told.rose.peernameByTuple, 1)
      const seenByApp = native.socketLocal(app.fd).address
      assert.equal(seenByApp.replace('::ffff:', ''), own)

      sockets.send(app.fd, 'hello')
      assert.equal(Buffer.from(await sockets.read(accepted, 5)).toString(), 'hello')
      assert.equal(originCount(rig), 1)
      sockets.close(app.fd)
      sockets.close(accepted)
      await until('the origin to go', () => originCount(rig) === 0)
    })
  }
}

function originCount(rig: ReturnType<typeof createRig>): number {
  return rig.kernel.mapFill().find(({ map }) => map === 'origins')?.entries ?? Number.NaN
}

test('TCP fast open: the first bytes arrive with the SYN', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const TCP = 6
  const [TCP_FASTOPEN, TCP_FASTOPEN_CONNECT] = [23, 30]
  // Client and server, and cookies asked of neither.
  setSysctl(pod, 'net.ipv4.tcp_fastopen', String(0x1 | 0x2 | 0x4 | 0x200))
  const number = (value: number): Uint8Array => new Uint8Array(new Int32Array([value]).buffer)
  rig.native.socketSetOption(pod.listeners.outbound4, TCP, TCP_FASTOPEN, number(16))
  const app = sockets.connect(pod.netnsFd, service, 80, {
    before: (fd) => rig.native.socketSetOption(fd, TCP, TCP_FASTOPEN_CONNECT, number(1)),
  })
  assert.equal(app.result, 0)
  assert.ok(sockets.nothingToAccept(pod.listeners.outbound4), 'the SYN waits for the first bytes')
  const sent = rig.counted(() => sockets.send(app.fd, 'early'))
  assert.equal(sent.result, 5)
  assert.equal(sent.rose.lookupOutbound, 1)
  const accepted = await sockets.accept(pod.listeners.outbound4)
  assert.equal(Buffer.from(await sockets.read(accepted, 5)).toString(), 'early')
  assert.deepEqual(rig.native.socketPeer(app.fd), { address: service, port: 80 })
})

test('UDP, Unix sockets and loopback are untouched', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { others: [service, service6] })
  const { result, rose } = rig.counted(() =>
    nodeInPod(
      pod,
      `
const dgram = require('node:dgram')
const net = require('node:net')
const { once } = require('node:events')
async function main() {
  for (const [type, to] of [['udp4', '${service}'], ['udp6', '${service6}']]) {
    const socket = dgram.createSocket(type)
    socket.connect(53, to)
    await once(socket, 'connect')
    console.log(socket.remoteAddress().address, socket.remoteAddress().port)
    socket.close()
  }
  for (const at of ['127.0.0.1', '::1', '\\0sluice-test-' + process.pid]) {
    const server = net.createServer()
    const where = at.startsWith('\\0') ? { path: at } : { host: at, port: 0 }
    await once(server.listen(where), 'listening')
    const client = net.connect({ ...where, port: server.address().port })
    const [[peer]] = await Promise.all([once(server, 'connection'), once(client, 'connect')])
    const same = client.remotePort === peer.localPort && client.localPort === peer.remotePort
    console.log(same && client.remoteAddress === peer.localAddress)
    client.destroy()
    server.close()
  }
}
main()`,
    ),
  )
  assert.equal(result, `${service} 53\n${service6} 53\ntrue\ntrue\ntrue\n`)
  assert.equal(rose.connectNotTcp, 2)
  assert.equal(rose.connectLoopback, 2)
  assert.equal(rose.connectRedirected, undefined)
})

test('a pod that calls its own address goes through the proxy like any other call', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const server = sockets.listen(pod.netnsFd, pod.ipv4, 8080)
  const app = sockets.connect(pod.netnsFd, pod.ipv4, 8080)
  await sockets.accept(pod.listeners.outbound4)
  assert.deepEqual(rig.native.socketPeer(app.fd), { address: pod.ipv4, port: 8080 })
  assert.ok(sockets.nothingToAccept(server))
})

test('a socket bound to a privileged source port never connects to itself', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  // Unguarded, one connect in `spreadCount` would meet itself: 8 rounds miss that once in 3000.
  for (let round = 0; round < 8; round += 1) {
    for (let port = spreadFirst; port < spreadFirst + spreadCount; port += 1) {
      const app = sockets.connect(pod.netnsFd, service, 80, {
        before: (fd) => {
          rig.native.socketSetOption(fd, SOL_SOCKET, SO_REUSEADDR, one)
          assert.equal(rig.native.socketBind(fd, '0.0.0.0', port), 0)
        },
      })
      assert.equal(app.result, EINPROGRESS, `source port ${port}`)
      const accepted = await sockets.accept(pod.listeners.outbound4)
      assert.equal(rig.native.socketPeer(accepted).port, port)
      assert.notEqual(rig.native.socketLocal(accepted).port, port)
      sockets.close(app.fd)
      sockets.close(accepted)
    }
  }
})

test('a socket bound to a device is in the mesh all the same', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  runInPod(pod, 'ip', ['link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'peer0'])
  runInPod(pod, 'ip', ['link', 'set', 'eth0', 'up'])
  const SO_BINDTODEVICE = 25
  const { result: app, rose } = rig.counted(() =>
    sockets.connect(pod.netnsFd, service, 80, {
      before: (fd) => rig.native.socketSetOption(fd, 1, SO_BINDTODEVICE, Buffer.from('eth0\0')),
    }),
  )
  assert.equal(rose.connectRedirected, 1)
  await sockets.accept(pod.listeners.outbound4)
  assert.deepEqual(rig.native.socketPeer(app.fd), { address: service, port: 80 })
})

test('a full origins map resets that connection, and only that one', async (t) => {
  const rig = createRig(t, { mapSizes: { origins: 1 } })
  const { native } = rig
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const first = sockets.connect(pod.netnsFd, service, 80)
  const accepted = await sockets.accept(pod.listeners.outbound4)
  const second = rig.counted(() => sockets.connect(pod.netnsFd, service, 81))
  assert.equal(second.rose.originMapFull, 1)
  assert.equal(second.rose.lookupUnpublishedDropped, 1)
  assert.equal(native.socketReceive(second.result.fd, new Uint8Array(1)), ECONNREFUSED)
  sockets.send(first.fd, 'x')
  assert.equal((await sockets.read(accepted, 1)).length, 1)

  // The socket of the failed connect is used again, and not told about what it asked for before.
  const local = sockets.listen(pod.netnsFd, '127.0.0.1', 9000)
  assert.equal(native.socketConnect(second.result.fd, '127.0.0.1', 9000), ECONNABORTED)
  const again = rig.counted(() => native.socketConnect(second.result.fd, '127.0.0.1', 9000))
  assert.equal(again.rose.connectLoopback, 1)
  await sockets.accept(local)
  assert.deepEqual(native.socketPeer(second.result.fd), { address: '127.0.0.1', port: 9000 })

  sockets.close(first.fd)
  sockets.close(accepted)
  await until('room in the map', () => originCount(rig) === 0)
  const third = rig.counted(() => sockets.connect(pod.netnsFd, service, 82))
  assert.equal(third.rose.originPublished, 1)
})

test('the first connect of a pod that nobody knows is counted or refused, and told', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { enrol: false, others: [service] })
  const sockets = createSockets(rig)
  const events: KernelEvent[] = []
  rig.kernel.onEvent((event) => events.push(event))
  sockets.listen(pod.netnsFd, service, 80)
  const counted = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(counted.rose.connectUnclassified, 1)
  assert.deepEqual(rig.native.socketPeer(counted.result.fd), { address: service, port: 80 })

  rig.kernel.setSettings({ unclassified: 'refuse' })
  const refused = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(refused.result.result, EPERM)
  assert.equal(refused.rose.connectUnclassifiedRefused, 1)
  assert.equal(sockets.connect(pod.netnsFd, '127.0.0.1', 1).result, EINPROGRESS)

  await until('two events', () => events.length >= 2)
  const [first] = events
  assert.ok(first?.kind === 'unclassified')
  const { netnsCookie, pid, address, port } = first
  assert.deepEqual(
    { netnsCookie, pid, address, port },
    { netnsCookie: pod.cookie, pid: process.pid, address: service, port: 80 },
  )

  rig.kernel.excludeNetns(pod.cookie)
  const known = rig.counted(() => sockets.connect(pod.netnsFd, service, 80))
  assert.equal(known.rose.connectNotEnrolled, 1)
  assert.equal(known.result.result, EINPROGRESS)
})

test('each intercepted connect is reported when that is asked for', async (t) => {
  const rig = createRig(t, { settings: { accessEvents: true } })
  const pod = await createPod(rig)
  const sockets = createSockets(rig)
  const events: KernelEvent[] = []
  rig.kernel.onEvent((event) => events.push(event))
  const app = sockets.connect(pod.netnsFd, service6, 443)
  await until('the event', () => events.length > 0)
  const [event] = events
  assert.ok(event?.kind === 'connect')
  const { socketCookie, podId, address, port } = event
  assert.deepEqual(
    { socketCookie, podId, address, port },
    {
      socketCookie: rig.native.socketCookie(app.fd),
      podId: pod.enrolment.podId,
      address: service6,
      port: 443,
    },
  )
})

test('a server starts on any port, whatever the proxy holds there', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pod = await createPod(rig, { others: ['10.77.0.9'] })
  const sockets = createSockets(rig)
  const used = new Set<number>()
  while (used.size < spreadCount) {
    const app = sockets.connect(pod.netnsFd, service, 80)
    const accepted = await sockets.accept(pod.listeners.outbound4)
    const { port } = native.socketLocal(accepted)
    // One connection a port stays: by chance it may take more than the maps of this rig hold.
    if (used.has(port)) {
      sockets.close(app.fd)
      sockets.close(accepted)
    }
    used.add(port)
  }
  const bind = (fd: number): void => void native.socketBind(fd, '10.77.0.9', 0)
  rig.asOutsider(() => sockets.connect(pod.netnsFd, pod.ipv4, 8080, { before: bind }))
  await sockets.accept(pod.listeners.inbound4)
  for (const port of [spreadFirst, spreadFirst + spreadCount - 1, 8080]) {
    // Servers set SO_REUSEADDR, or could not be restarted without a mesh either.
    const fd = sockets.open(pod.netnsFd, 4)
    native.socketSetOption(fd, SOL_SOCKET, SO_REUSEADDR, one)
    assert.equal(native.socketBind(fd, '0.0.0.0', port), 0, `port ${port}`)
    assert.equal(native.socketListen(fd, 16), 0)
  }
  const popular = [22, 25, 53, 80, 110, 143, 389, 443, 465, 514, 554, 587, 631, 636, 873, 993]
  for (const port of popular) {
    const fd = sockets.open(pod.netnsFd, 4)
    assert.equal(native.socketBind(fd, '0.0.0.0', port), 0, `port ${port} without SO_REUSEADDR`)
  }
})
