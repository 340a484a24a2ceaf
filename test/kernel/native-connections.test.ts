// Connections of a namespace, named and reset by the addon, on the real kernel.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { connectionName } from '../../src/nodeproxy/agent/socket-table.ts'
import { connectionNameBytes, loadNative } from '../../src/nodeproxy/native.ts'
import { defer } from './support/scratch.ts'
import { until } from './support/sockets.ts'

const native = loadNative()
const port = 8080

async function connected(t: TestContext, netns: number, family: 4 | 6, address: string) {
  const listener = native.socketOpen(netns, family, 0)
  defer(t, () => native.closeFd(listener))
  assert.equal(native.socketBind(listener, address, port), 0)
  assert.equal(native.socketListen(listener, 8), 0)
  const client = native.socketOpen(netns, family, 0)
  defer(t, () => native.closeFd(client))
  native.socketConnect(client, address, port)
  const accepted = await until('the connection', () => {
    const fd = native.socketAccept(listener)
    return fd >= 0 && { fd }
  })
  defer(t, () => native.closeFd(accepted.fd))
  return { listener, client, accepted: accepted.fd }
}

function namesOf(bytes: Uint8Array): readonly string[] {
  return Array.from({ length: bytes.length / connectionNameBytes }, (_, index) =>
    connectionName(bytes.subarray(index * connectionNameBytes, (index + 1) * connectionNameBytes)),
  )
}

const byte = new Uint8Array(1)

test('connections are named as /proc names them, without loopback and listeners', async (t) => {
  const netns = native.netnsCreate(['10.7.0.1', 'fd00:7::1'])
  defer(t, () => native.closeFd(netns))
  await connected(t, netns, 4, '10.7.0.1')
  await connected(t, netns, 6, 'fd00:7::1')
  await connected(t, netns, 4, '127.0.0.1')
  await connected(t, netns, 6, '::1')
  const names = namesOf(await native.netnsConnections(netns))
  assert.equal(names.length, 4, 'both ends of two')
  const server4 = '0100070A:1F90 0100070A:'
  assert.ok(
    names.some((name) => name.startsWith(server4)),
    names.join(),
  )
  assert.equal(names.filter((name) => name.includes(':1F90')).length, 4)
  assert.equal(names.filter((name) => name.length === 2 * 37 + 1).length, 2, 'of IPv6')
})

test('what is ended is reset at once, and what has its ports later is not meant', async (t) => {
  const netns = native.netnsCreate(['10.7.0.1', 'fd00:7::1'])
  defer(t, () => native.closeFd(netns))
  const before = await connected(t, netns, 4, '10.7.0.1')
  const six = await connected(t, netns, 6, 'fd00:7::1')
  const names = await native.netnsConnections(netns)
  assert.equal(names.length, 4 * connectionNameBytes)
  const ended = await native.netnsEndConnections(netns, names)
  // The end of one is the other's reset, which may come before its own turn.
  assert.ok(ended >= 2 && ended <= 4, `${ended}`)
  for (const fd of [before.client, before.accepted, six.client, six.accepted]) {
    assert.ok(native.socketSend(fd, byte) < 0)
  }
  assert.equal((await native.netnsConnections(netns)).length, 0)
  for (const fd of [before.listener, six.listener]) assert.ok(native.socketListens(fd))
  assert.equal(await native.netnsEndConnections(netns, names), 0, 'they are gone')
  for (const fd of [before.listener, six.listener]) assert.ok(native.socketListens(fd))
  const again = native.socketOpen(netns, 4, 0)
  defer(t, () => native.closeFd(again))
  native.socketConnect(again, '10.7.0.1', port)
  await until('a new connection', () => {
    const fd = native.socketAccept(before.listener)
    return fd >= 0 && { fd }
  })
})

test('what are no names is refused', async (t) => {
  const netns = native.netnsCreate([])
  defer(t, () => native.closeFd(netns))
  assert.throws(() => native.netnsEndConnections(netns, new Uint8Array(7)), /no names/)
  assert.equal(await native.netnsEndConnections(netns, new Uint8Array(0)), 0)
})
