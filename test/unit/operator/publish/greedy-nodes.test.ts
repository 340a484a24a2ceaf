// Nodes that ask for everything and answer nothing: what they cost is bounded, and does not grow
// with what changes.
import assert from 'node:assert/strict'
import test from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { addressSubscription } from '../../../../src/model/names.ts'
import type { Resource } from '../../../../src/model/resources.ts'
import type { Delta } from '../../../../src/model/source.ts'
import { encodeResponse } from '../../../../src/model/wire/response-message.ts'
import { defaultMesh } from '../../../../src/operator/compile/compile.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { endpoint, pod, service } from '../../model/builders.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

function heapBytes(): number {
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

const services = 500
const greedyNodes = 20
const nameOf = (index: number) =>
  addressSubscription('default', `10.96.${index >> 8}.${index & 255}`)

/** A service with two pods; the turn says what has changed. */
function backed(index: number, turn: number): readonly Resource[] {
  const ips = [1, 2].map((host) => `10.${host}.${index >> 8}.${index & 255}`)
  const uid = (ip: string) => `c/Pod/shop/p${ip}`
  return [
    ...ips.map((ip) => pod(`p${ip}`, { addresses: [ip] })),
    service(`s${index}`, {
      addresses: [`10.96.${index >> 8}.${index & 255}`],
      ports: [80, 1_000 + turn],
      endpoints: ips.map((ip) => endpoint(ip, { workload: uid(ip) })),
    }),
  ]
}

const all = Array.from({ length: services }, (_, index) => index)

test('20 nodes that subscribe to everything and acknowledge nothing hold what they held', () => {
  const publisher = createPublisher('test')
  publisher.replace([defaultMesh, ...all.flatMap((index) => backed(index, 0))])
  const bytes: number[] = []
  const send = (delta: Delta) => void bytes.push(encodeResponse(delta).length)
  const change = (from: number, to: number) => {
    for (let turn = from; turn < to; turn += 1) {
      publisher.apply({ upserts: [...backed(turn % services, turn)], removals: [] })
    }
  }
  for (let node = 0; node < greedyNodes; node += 1) {
    publisher.connect(`n${node}`, all.map(nameOf), send)
  }
  change(1, 1 + services)
  const before = heapBytes()
  change(1 + services, 1 + 6 * services)
  const grown = heapBytes() - before
  assert.equal(bytes.length, greedyNodes, 'one delta each, and none before it is answered')
  assert.ok(grown < 2_000_000, `${grown} bytes more after 2,500 changes more`)
})

test('a node that subscribes without end is refused, and its names are not kept', () => {
  const publisher = createPublisher('test')
  publisher.replace([defaultMesh])
  const sessions = Array.from({ length: greedyNodes }, (_, node) =>
    publisher.connect(`n${node}`, [], () => {}),
  )
  const flood = (from: number, to: number) => {
    for (let name = from; name < to; name += 1) {
      for (const session of sessions) session.subscribe([`address/default/no-such-name-${name}`])
    }
  }
  flood(0, 11_500)
  const before = heapBytes()
  flood(11_500, 15_500)
  const grown = heapBytes() - before
  assert.deepEqual(
    sessions.map((session) => session.status().subscriptions),
    sessions.map(() => 10_000),
  )
  assert.ok(grown < 3_000_000, `${grown} bytes more after 80,000 names more`)
})

test('a node that subscribes and unsubscribes without end leaves nothing behind', () => {
  const publisher = createPublisher('test')
  publisher.replace([defaultMesh])
  const session = publisher.connect('n0', [], () => {})
  const cycle = (from: number, to: number) => {
    for (let number = from; number < to; number += 1) {
      const names = [`address/default/no-such-name-${number}`]
      session.subscribe(names)
      session.unsubscribe(names)
    }
  }
  cycle(0, 20_000)
  const before = heapBytes()
  cycle(20_000, 80_000)
  const grown = heapBytes() - before
  assert.equal(session.status().subscriptions, 1)
  assert.ok(grown < 3_000_000, `${grown} bytes more after 60,000 names more`)
})
