import assert from 'node:assert/strict'
import { constants } from 'node:os'
import test from 'node:test'
import { DoneReason } from '../../../../src/nodeproxy/io/protocol.ts'
import { LegFlags } from '../../../../src/nodeproxy/l4/leg.ts'
import { refuse } from '../../../../src/nodeproxy/policy/refusal.ts'
import { bench, type Bench, pod, service, viewOf, workload } from './support.ts'

const { ECONNREFUSED, EMFILE } = constants.errno
const place = { node: 'node1', zone: 'zone1' }
const vip = '10.96.0.10'
const client = pod(1, '10.0.0.1')

/** A service with three endpoints on another node. */
function withService(b: Bench, count = 3): void {
  const endpoints = Array.from({ length: count }, (_, index) =>
    workload(`w${index}`, `10.9.0.${index + 1}`, 'node2'),
  )
  const shop = service('shop', vip, endpoints)
  b.tables.setService(shop.key, viewOf(shop, place, endpoints))
  b.tables.setAddress(vip, { services: [{ key: shop.key, external: false }], workload: '' })
}

test('a service: one of its endpoints, from the client pod, counted in flight', () => {
  const b = bench([client])
  withService(b)
  b.accept({ asked: { address: vip, port: 80 } })
  const leg = b.connects[0]?.leg
  assert.ok(leg !== undefined)
  assert.match(leg.destination, /^10\.9\.0\.[123]$/u)
  assert.equal(leg.port, 8080)
  assert.equal(leg.netns, client.podId)
  assert.equal(leg.source, '10.0.0.1')
  assert.equal(leg.flags, 0, 'the other node takes it by its own interception')
  assert.equal(b.balance.inFlight.get(`${leg.destination}/8080`), 1)
  b.flow.connected(1, 13)
  assert.equal(b.opened[0]?.destination?.name, `w${Number(leg.destination.slice(-1)) - 1}`)
  b.end(1)
  assert.equal(b.ended[0]?.service?.name, 'shop')
  assert.equal(b.balance.inFlight.size, 0)
})

test('an endpoint of this node is reached past its interception, and told of the client', () => {
  const server = pod(2, '10.9.0.1', { acceleration: 'full' })
  const b = bench([client, server])
  withService(b, 1)
  b.accept({ asked: { address: vip, port: 80 } })
  const leg = b.connects[0]?.leg
  assert.equal(leg?.flags, LegFlags.bypass | LegFlags.accelFull)
  assert.deepEqual([leg?.client, leg?.clientPort], ['10.0.0.1', 40_000])
})

test('two apps are paired only when both are in mode full', () => {
  for (const [originFlags, mode, expected] of [
    [8, 'full', [1]],
    [4, 'full', []],
    [8, 'auto', []],
  ] as const) {
    const b = bench([client, pod(2, '10.9.0.1', { acceleration: mode })])
    withService(b, 1)
    b.accept({ asked: { address: vip, port: 80 }, originFlags })
    b.flow.connected(1, 13)
    assert.deepEqual(b.pairs, expected)
    b.end(1)
    assert.equal(b.slots.free, 4, 'slots come back')
  }
})

test('an endpoint that refuses is left out and another one is tried before any byte', () => {
  const b = bench([client])
  withService(b)
  b.accept({ asked: { address: vip, port: 80 } })
  b.flow.connectFailed(1, ECONNREFUSED)
  b.flow.connectFailed(1, ECONNREFUSED)
  const destinations = b.connects.map(({ leg }) => leg.destination)
  assert.equal(new Set(destinations).size, 3)
  assert.deepEqual(
    b.connects.map(({ attempt }) => attempt),
    [1, 2, 3],
  )
  assert.equal(b.balance.health.ejected(1), 2)
  assert.equal(b.balance.inFlight.size, 1)
  b.flow.connectFailed(1, ECONNREFUSED)
  assert.deepEqual(b.resets, [1], 'attempts are bounded')
  b.end(1)
  const refusal = b.ended[0]?.refusal
  assert.equal(refusal?.flag, 'UF,URX')
  assert.match(refusal?.detail ?? '', /ECONNREFUSED/u)
})

test('when no endpoint is left the refusal names those that were tried', () => {
  const b = bench([client])
  withService(b, 1)
  b.accept({ asked: { address: vip, port: 80 } })
  b.flow.connectFailed(1, ECONNREFUSED)
  b.end(1)
  assert.match(b.ended[0]?.refusal?.detail ?? '', /10\.9\.0\.1\/8080/u)
})

test('an endpoint of another node that resets without an answer is left out next time', () => {
  for (const [sentBytes, ejected] of [
    [0, 1],
    [1, 0],
  ] as const) {
    const b = bench([client])
    withService(b)
    b.accept({ asked: { address: vip, port: 80 } })
    b.flow.connected(1, 13)
    b.end(1, { reason: DoneReason.serverReset, sentBytes })
    assert.equal(b.balance.health.ejected(1), ejected)
  }
})

test('a failure of this machine ejects nobody', () => {
  const b = bench([client])
  withService(b)
  b.accept({ asked: { address: vip, port: 80 } })
  b.flow.connectFailed(1, EMFILE)
  assert.equal(b.balance.health.ejected(1), 0)
})

test('an address that nobody knows is asked for once, and all that wait for it go on', () => {
  const b = bench([client])
  for (const conn of [1, 2, 3]) b.accept({ conn, asked: { address: vip, port: 80 } })
  assert.deepEqual(b.asked, [vip])
  assert.equal(b.connects.length, 0)
  withService(b)
  b.answer(vip)
  assert.deepEqual(
    b.connects.map(({ conn }) => conn),
    [1, 2, 3],
  )
  assert.deepEqual(b.time.delays, [], 'its timeout is cancelled')
})

test('without an answer in time it counts as outside where the pod fails open', () => {
  const b = bench([client])
  b.accept({ asked: { address: '10.7.7.7', port: 443 } })
  assert.deepEqual(b.time.delays, [500])
  b.time.pass()
  const leg = b.connects[0]?.leg
  assert.deepEqual([leg?.destination, leg?.port, leg?.flags], ['10.7.7.7', 443, 0])
})

test('without an answer in time it is refused where the pod fails closed', () => {
  const b = bench([pod(1, '10.0.0.1', { failureMode: 'closed' })])
  b.accept({ asked: { address: '10.7.7.7', port: 443 } })
  b.time.pass()
  assert.deepEqual(b.resets, [1])
  b.end(1)
  assert.equal(b.ended[0]?.refusal?.flag, 'NC')
})

test('open questions are bounded: one more counts as unanswered', () => {
  const b = bench([client])
  for (let conn = 1; conn <= 5; conn += 1) {
    b.accept({ conn, asked: { address: `10.7.7.${conn}`, port: 443 } })
  }
  assert.equal(b.asked.length, 4)
  assert.deepEqual(
    b.connects.map(({ conn }) => conn),
    [5],
  )
})

test('a connection that ended while it waited is not connected', () => {
  const b = bench([client])
  b.accept({ asked: { address: vip, port: 80 } })
  b.end(1)
  withService(b)
  b.answer(vip)
  assert.equal(b.connects.length, 0)
})

test('outside the mesh: passed through, or refused where settings say so', () => {
  for (const outside of ['allow', 'refuse'] as const) {
    const b = bench([client], { settings: { outside } })
    b.tables.setAddress('10.7.7.7', { services: [], workload: '' })
    b.accept({ asked: { address: '10.7.7.7', port: 443 } })
    assert.equal(b.connects.length, outside === 'allow' ? 1 : 0)
    assert.deepEqual(b.resets, outside === 'allow' ? [] : [1])
  }
})

test('a service port that is not there is refused at once', () => {
  const b = bench([client])
  withService(b)
  b.accept({ asked: { address: vip, port: 81 } })
  assert.deepEqual(b.resets, [1])
  b.end(1)
  assert.equal(b.ended[0]?.refusal?.kind, 'noSuchPort')
})

test('a service without endpoints is refused at once, as without a mesh', () => {
  const b = bench([client])
  withService(b, 0)
  b.accept({ asked: { address: vip, port: 80 } })
  b.end(1)
  assert.equal(b.ended[0]?.refusal?.flag, 'UH')
  assert.equal(b.ended[0]?.service?.name, 'shop')
})

test('a pod address goes there and nowhere else; its own needs no answer', () => {
  const b = bench([client])
  const other = workload('other', '10.9.0.7', 'node2')
  b.tables.setWorkload(other.uid, other)
  b.tables.setAddress('10.9.0.7', { services: [], workload: other.uid })
  b.accept({ conn: 1, asked: { address: '10.9.0.7', port: 5 } })
  b.flow.connectFailed(1, ECONNREFUSED)
  assert.deepEqual(b.resets, [1])
  b.accept({ conn: 2, asked: { address: '10.0.0.1', port: 5 } })
  assert.equal(b.connects[1]?.leg.flags, LegFlags.bypass | LegFlags.accelAuto)
  assert.deepEqual(b.asked, [])
})

test('inbound: into the pod from a random loopback address, with the client it really has', () => {
  const b = bench([client])
  const sources = new Set<string | undefined>()
  for (let conn = 1; conn <= 20; conn += 1) {
    b.accept({
      conn,
      direction: 'inbound',
      peer: { address: '10.9.0.1', port: 5000 + conn },
      asked: { address: '10.0.0.1', port: 8080 },
    })
    const leg = b.connects[conn - 1]?.leg
    assert.match(leg?.source ?? '', /^127\.\d+\.\d+\.\d+$/u)
    assert.deepEqual([leg?.destination, leg?.port], ['10.0.0.1', 8080])
    assert.deepEqual([leg?.client, leg?.clientPort], ['10.9.0.1', 5000 + conn])
    assert.ok(((leg?.flags ?? 0) & LegFlags.bypass) !== 0)
    sources.add(leg?.source)
  }
  assert.ok(sources.size > 15)
})

test('inbound: one that came to the listener itself is refused: its leg would come again', () => {
  const b = bench([client])
  b.accept({
    direction: 'inbound',
    peer: { address: '127.0.0.1', port: 5 },
    asked: { address: '127.0.0.1', port: 40_001 },
  })
  assert.equal(b.connects.length, 0)
  assert.deepEqual(b.resets, [1])
})

test('a client that bound to an address of another pod is told by its own', () => {
  const b = bench([client, pod(2, '10.9.0.1')])
  withService(b, 1)
  b.accept({ peer: { address: '10.0.0.66', port: 777 }, asked: { address: vip, port: 80 } })
  const leg = b.connects[0]?.leg
  assert.deepEqual([leg?.client, leg?.clientPort, leg?.source], ['10.0.0.1', 777, '10.0.0.1'])
})

test('inbound over IPv6 comes from ::1', () => {
  const b = bench([pod(1, '10.0.0.1', { ipv6: 'fd00::1' })])
  b.accept({
    direction: 'inbound',
    peer: { address: 'fd00::9', port: 5 },
    asked: { address: 'fd00::1', port: 8080 },
  })
  assert.equal(b.connects[0]?.leg.source, '::1')
})

test('inbound does not wait to learn who calls, but tells it with the right name', () => {
  const b = bench([client])
  b.accept({
    direction: 'inbound',
    peer: { address: '10.9.0.1', port: 5000 },
    asked: { address: '10.0.0.1', port: 8080 },
  })
  assert.equal(b.connects.length, 1)
  b.flow.connected(1, 13)
  assert.equal(b.opened.length, 0, 'its labels are not known yet')
  const caller = workload('caller', '10.9.0.1', 'node2')
  b.tables.setWorkload(caller.uid, caller)
  b.tables.setAddress('10.9.0.1', { services: [], workload: caller.uid })
  b.answer('10.9.0.1')
  assert.equal(b.opened[0]?.source?.name, 'caller')
  b.end(1)
  assert.equal(b.opened.length, 1)
})

test('inbound: a connection that ended before the answer is told with the right name too', () => {
  const b = bench([client])
  b.accept({
    direction: 'inbound',
    peer: { address: '10.9.0.1', port: 5000 },
    asked: { address: '10.0.0.1', port: 8080 },
  })
  b.flow.connected(1, 13)
  b.end(1)
  assert.deepEqual([b.opened.length, b.ended.length], [0, 0])
  assert.equal(b.balance.inFlight.size, 0)
  const caller = workload('caller', '10.9.0.1', 'node2')
  b.tables.setWorkload(caller.uid, caller)
  b.tables.setAddress('10.9.0.1', { services: [], workload: caller.uid })
  b.answer('10.9.0.1')
  assert.equal(b.opened[0]?.source?.name, 'caller')
  assert.equal(b.ended[0]?.source?.name, 'caller')
})

test('inbound: without an answer in time the caller is unknown, and the end is told', () => {
  const b = bench([client])
  b.accept({
    direction: 'inbound',
    peer: { address: '10.9.0.1', port: 5000 },
    asked: { address: '10.0.0.1', port: 8080 },
  })
  b.end(1)
  b.time.pass()
  assert.deepEqual([b.opened.length, b.ended.length], [1, 1])
  assert.equal(b.ended[0]?.source, undefined)
})

test('policy decides before anything is connected', () => {
  const b = bench([client], { authorize: () => refuse('denied', 'by a test') })
  withService(b)
  b.accept({ asked: { address: vip, port: 80 } })
  assert.equal(b.connects.length, 0)
  assert.deepEqual(b.resets, [1])
})

test('a pod that ended has its connections reset, and only it', () => {
  const b = bench([client, pod(2, '10.0.0.2')])
  withService(b)
  b.accept({ conn: 1, asked: { address: vip, port: 80 } })
  b.accept({ conn: 2, podId: 2, asked: { address: vip, port: 80 } })
  assert.equal(b.flow.undecided(1), 1)
  b.flow.resetPod(1)
  assert.deepEqual(b.resets, [1])
})

test('a connection for a pod that is not served here is reset', () => {
  const b = bench([client])
  b.accept({ podId: 9, asked: { address: vip, port: 80 } })
  assert.deepEqual(b.resets, [1])
})

test('connections in flight keep what they began with when a service changes', () => {
  const b = bench([client])
  withService(b)
  b.accept({ asked: { address: vip, port: 80 } })
  const first = b.connects[0]?.leg.destination
  withService(b, 0)
  b.flow.connectFailed(1, ECONNREFUSED)
  assert.notEqual(b.connects[1]?.leg.destination, first)
  assert.equal(b.connects.length, 2)
})
