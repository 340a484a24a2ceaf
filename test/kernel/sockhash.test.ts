// Which sockets are accelerated: entry into, and exit from, the sockhash.
import assert from 'node:assert/strict'
import test from 'node:test'
import { flagsOf, inHash, openConnection, sockInfo } from './support/connection.ts'
import { createPod, type TestPod } from './support/pod.ts'
import { setSysctl } from './support/program.ts'
import { cgroupId, createRig } from './support/rig.ts'
import { createSockets, until } from './support/sockets.ts'

const IPPROTO_MPTCP = 262
const SOL_SOCKET = 1
const SO_ZEROCOPY = 60
const one = new Uint8Array(new Int32Array([1]).buffer)

test('auto: sockets that do not block enter, and only app to proxy is redirected', async (t) => {
  const rig = createRig(t, { everyMode: true })
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
  assert.deepEqual(flagsOf(rig, it.client), ['app', 'toPeer', 'inHash'])
  assert.deepEqual(flagsOf(rig, it.p1), ['inHash', 'receiveOnly'])
  assert.deepEqual(flagsOf(rig, it.p2), ['inHash', 'receiveOnly'])
  assert.deepEqual(flagsOf(rig, it.server), ['app', 'inHash', 'checkFile'])
  const cookie = (fd: number): bigint => rig.native.socketCookie(fd)
  assert.deepEqual(
    [it.client, it.p1, it.p2, it.server].map((fd) => sockInfo(rig, fd)?.peerCookie),
    [it.p1, it.client, it.server, it.p2].map(cookie),
  )
  const upload = rig.counted(() => sockets.send(it.client, 'to the proxy'))
  assert.equal(upload.rose.verdictToLeg, 1)
  const answer = rig.counted(() => sockets.send(it.server, 'to the proxy'))
  assert.deepEqual([answer.rose.fileNonblocking, answer.rose.verdictToLeg], [1, 1])
  const back = rig.counted(() => sockets.send(it.p1, 'to the app'))
  assert.deepEqual(back.rose, {})
  assert.equal((await sockets.read(it.p1, 12)).length, 12)
  assert.equal((await sockets.read(it.p2, 12)).length, 12)
  assert.equal((await sockets.read(it.client, 10)).length, 10)
})

test('full: both directions are redirected, once the server is known not to block', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  assert.deepEqual(flagsOf(rig, it.client), ['app', 'toPeer', 'inHash', 'pairable'])
  assert.deepEqual(flagsOf(rig, it.p1), ['toPeer', 'inHash'])
  const first = rig.counted(() => sockets.send(it.p2, 'x'))
  assert.deepEqual([first.rose.fileNonblocking, first.rose.verdictNothingRead], [1, 1])
  assert.equal((await sockets.read(it.server, 1)).length, 1)
  const next = rig.counted(() => sockets.send(it.p2, 'x'))
  assert.equal(next.rose.verdictToApp, 1)
  assert.deepEqual(flagsOf(rig, it.p2), ['toPeer', 'inHash'])
  assert.deepEqual(flagsOf(rig, it.server), ['app', 'toPeer', 'inHash', 'pairable', 'receives'])
})

test('a client that blocks stays out, and its proxy socket with it', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const { native } = rig
  const before = (fd: number): void => void native.socketSetBlocking(fd, true, 'fcntl')
  const it = await openConnection(rig, sockets, pod, {
    accelerate: 'full',
    server,
    connect: { before },
  })
  assert.deepEqual([inHash(rig, it.client), inHash(rig, it.p1)], [false, false])
})

test('a listener that blocks: its first connections teach what the others do', async (t) => {
  const rig = createRig(t, { everyMode: true })
  const { native } = rig
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  for (const [port, blocks] of [
    [8080, false],
    [8081, true],
  ] as const) {
    // accept() on a blocking listener is only called when somebody waits there.
    const fd = sockets.open(pod.netnsFd, 4)
    native.socketSetBlocking(fd, true, 'fcntl')
    native.socketBind(fd, pod.ipv4, port)
    native.socketListen(fd, 16)
    const server = { fd, port }
    const first = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
    assert.deepEqual([inHash(rig, first.server), inHash(rig, first.p2)], [false, false])
    native.socketSetBlocking(first.server, blocks, 'fcntl')
    const learnt = rig.counted(() => sockets.send(first.server, 'acknowledge me'))
    assert.equal(blocks ? learnt.rose.hashSkippedBlocking : learnt.rose.fileNonblocking, 1)
    const second = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
    assert.equal(inHash(rig, second.server), !blocks)
  }
})

for (const accelerate of ['auto', 'full'] as const) {
  test(`${accelerate}: an accepted socket that blocks leaves`, async (t) => {
    const rig = createRig(t, { everyMode: true })
    const { native } = rig
    const pod = await createPod(rig, { accelerate })
    const sockets = createSockets(rig)
    const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
    const it = await openConnection(rig, sockets, pod, { accelerate, server })
    native.socketSetBlocking(it.server, true, 'fcntl')
    const sent = rig.counted(() => {
      sockets.send(it.server, 'first')
      // The acknowledgement may come later. Without a pause: the ring's reader takes it out, too.
      const deadline = performance.now() + 120_000
      let left = false
      while (!left && performance.now() < deadline)
        left = !inHash(rig, it.server) && !inHash(rig, it.p2)
    })
    assert.deepEqual([sent.rose.verdictBlocking, sent.rose.hashLeftBlocking], [1, 1])
    assert.equal(sent.rose.hashLeftPeer, 1)
    assert.deepEqual([inHash(rig, it.server), inHash(rig, it.p2)], [false, false])
    assert.equal((await sockets.read(it.p2, 5)).length, 5)
    sockets.send(it.p2, 'answer')
    assert.equal((await sockets.read(it.server, 6)).length, 6)
    // The next ones of that listener do not even enter.
    const next = await openConnection(rig, sockets, pod, { accelerate, server })
    assert.equal(inHash(rig, next.server), false)
  })
}

for (const call of ['fcntl', 'ioctl'] as const) {
  test(`auto: a socket that is turned blocking later, by ${call}, leaves`, async (t) => {
    const rig = createRig(t, { everyMode: true })
    const pod = await createPod(rig, { accelerate: 'auto' })
    const sockets = createSockets(rig)
    const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
    const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
    const events: string[] = []
    rig.kernel.onEvent(({ kind }) => events.push(kind))
    const turned = rig.counted(() => rig.native.socketSetBlocking(it.client, true, call))
    assert.equal(turned.rose.turnedBlocking, 1)
    await until('the socket to leave', () => !inHash(rig, it.client))
    assert.deepEqual(events, ['turnedBlocking'])
    const sent = rig.counted(() => sockets.send(it.client, 'by TCP'))
    assert.deepEqual(sent.rose, {})
    assert.equal((await sockets.read(it.p1, 6)).length, 6)
  })
}

test('full: sockets that are turned blocking keep those that come after them out', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const open = () => openConnection(rig, sockets, pod, { accelerate: 'full', server })
  const turn = (fd: number) =>
    rig.counted(() => rig.native.socketSetBlocking(fd, true, 'fcntl')).rose.turnedBlocking
  const first = await open()
  assert.equal(turn(first.client), 1)
  const second = await open()
  assert.deepEqual([inHash(rig, second.client), inHash(rig, second.server)], [false, true])
  const why = rig.kernel.whyLeftOut(pod.cookie, cgroupId(rig.cgroups.app))
  assert.match(why, /turns its sockets blocking/u)
  assert.equal(turn(second.server), 1)
  const third = await open()
  assert.deepEqual([inHash(rig, third.client), inHash(rig, third.server)], [false, false])
})

test("a pod with very many listeners pushes out nothing that is known of another's", async (t) => {
  // Many more than there is room for, in the pod's own entry as in a map for all of these pods.
  const ports = Array.from({ length: 70 }, (_, index) => 9000 + index)
  const rig = createRig(t, { mapSizes: { pods: 4 } })
  const { native } = rig
  const sockets = createSockets(rig)
  const enrol = (ipv4: string, ipv6: string) => createPod(rig, { ipv4, ipv6, accelerate: 'full' })
  const [quiet, crowd] = [await enrol('10.77.0.2', 'fd77::2'), await enrol('10.77.0.3', 'fd77::3')]
  const opener = (pod: TestPod, port: number) => {
    const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, port), port }
    return () => openConnection(rig, sockets, pod, { accelerate: 'full', server })
  }
  const blocks = async (open: ReturnType<typeof opener>): Promise<void> => {
    const { server, p2 } = await open()
    native.socketSetBlocking(server, true, 'fcntl')
    sockets.send(server, 'look at me')
    await until('its file to be seen', () => !inHash(rig, server))
    for (const fd of [server, p2]) native.socketSetBlocking(fd, false, 'fcntl')
  }
  const blocking = opener(quiet, 8080)
  const swift = opener(quiet, 8081)
  await blocks(blocking)
  for (const port of ports) await blocks(opener(crowd, port))
  assert.equal(inHash(rig, (await blocking()).server), false, 'what was learnt is known still')
  assert.equal(inHash(rig, (await swift()).server), true)
  // Its own listeners can no longer be told apart, so none of them is trusted.
  assert.equal(inHash(rig, (await opener(crowd, 8082)()).server), false)
})

test('full: turned blocking with bytes unread, it leaves once they are read', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  sockets.send(it.p1, 'x')
  assert.equal((await sockets.read(it.client, 1)).length, 1)
  const text = 'redirected, and not read yet'
  assert.equal(rig.counted(() => sockets.send(it.p1, text)).rose.verdictToApp, 1)
  const heard: string[] = []
  rig.kernel.onEvent(({ kind }) => heard.push(kind))
  rig.native.socketSetBlocking(it.client, true, 'fcntl')
  await until('the proxy to hear of it', () => heard.includes('turnedBlocking'))
  rig.kernel.refreshUsage()
  // The proxy that heard of it does not live to see them read.
  rig.kernel.drain()
  const next = rig.reopen()
  next.goLive()
  for (let second = 0; second < 3; second += 1) next.refreshUsage()
  assert.ok(inHash(rig, it.client), 'leaving would throw the bytes away')
  assert.equal((await sockets.read(it.client, text.length)).length, text.length)
  for (let second = 0; second < 3; second += 1) next.refreshUsage()
  assert.equal(inHash(rig, it.client), false)
})

test('sockets that cannot or should not be in the sockhash stay out', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const cases = [
    { why: 'hashRefused', connect: { protocol: IPPROTO_MPTCP } },
    {
      why: 'hashSkippedZerocopy',
      connect: {
        before: (fd: number): void =>
          void rig.native.socketSetOption(fd, SOL_SOCKET, SO_ZEROCOPY, one),
      },
    },
  ] as const
  for (const { why, connect } of cases) {
    const { result, rose } = rig.counted(() =>
      sockets.connect(pod.netnsFd, '10.96.0.10', 80, connect),
    )
    assert.equal(rose[why], 1, why)
    assert.equal(inHash(rig, result.fd), false)
    await sockets.accept(pod.listeners.outbound4)
  }
  rig.kernel.setSettings({ acceleration: ['auto'] })
  const off = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  assert.deepEqual(
    [off.client, off.p1, off.p2, off.server].map((fd) => inHash(rig, fd)),
    [...Array<boolean>(4).fill(false)],
  )
})

test('full: an MPTCP listener, as Go has by default, takes part like any other', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, '::', 8080, IPPROTO_MPTCP), port: 8080 }
  const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
  const { address } = rig.native.socketPeer(it.server)
  assert.equal(address, `::ffff:${pod.ipv4}`)
  for (const [from, to] of [
    [it.p2, it.server],
    [it.server, it.p2],
  ] as const) {
    sockets.send(from, 'hello')
    assert.equal(Buffer.from(await sockets.read(to, 5)).toString(), 'hello')
  }
  assert.ok(inHash(rig, it.server))
})

test('full: TCP fast open, where the proxy has its socket before the app', async (t) => {
  const rig = createRig(t)
  const { native } = rig
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const [SOL_TCP, TCP_FASTOPEN, TCP_FASTOPEN_CONNECT] = [6, 23, 30]
  setSysctl(pod, 'net.ipv4.tcp_fastopen', String(0x1 | 0x2 | 0x4 | 0x200))
  native.socketSetOption(pod.listeners.outbound4, SOL_TCP, TCP_FASTOPEN, one)
  const { fd } = sockets.connect(pod.netnsFd, '10.96.0.10', 80, {
    before: (client) => native.socketSetOption(client, SOL_TCP, TCP_FASTOPEN_CONNECT, one),
  })
  sockets.send(fd, 'early')
  const p1 = await sockets.accept(pod.listeners.outbound4)
  sockets.send(fd, ' and late')
  assert.equal(Buffer.from(await sockets.read(p1, 14)).toString(), 'early and late')
  sockets.send(p1, 'answer')
  assert.equal(Buffer.from(await sockets.read(fd, 6)).toString(), 'answer')
})

test('a full sockhash costs acceleration, and nothing else', async (t) => {
  const rig = createRig(t, { everyMode: true, mapSizes: { sockets: 1 } })
  const pod = await createPod(rig, { accelerate: 'auto' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  const { rose } = await rig.countedAsync(async () => {
    const it = await openConnection(rig, sockets, pod, { accelerate: 'auto', server })
    assert.equal(inHash(rig, it.p1), false)
    sockets.send(it.client, 'up')
    sockets.send(it.server, 'down')
    assert.equal((await sockets.read(it.p1, 2)).length, 2)
    assert.equal((await sockets.read(it.p2, 4)).length, 4)
  })
  assert.ok((rose.sockInfoFull ?? 0) >= 1, JSON.stringify(rose))
})

test('entries end with their sockets', async (t) => {
  const rig = createRig(t)
  const pod = await createPod(rig, { accelerate: 'full' })
  const sockets = createSockets(rig)
  const server = { fd: sockets.listen(pod.netnsFd, pod.ipv4, 8080), port: 8080 }
  for (let round = 0; round < 50; round += 1) {
    const it = await openConnection(rig, sockets, pod, { accelerate: 'full', server })
    sockets.send(it.client, 'unread')
    for (const fd of Object.values(it)) sockets.close(fd as number)
  }
  await until('empty maps', () =>
    rig.kernel
      .mapFill()
      .every(
        ({ map, entries }) => entries === 0 || map === 'pods_by_netns' || map === 'pod_habits',
      ),
  )
  assert.deepEqual(rig.kernel.refreshUsage(), { queuedBytes: 0, sockets: 0 })
})
