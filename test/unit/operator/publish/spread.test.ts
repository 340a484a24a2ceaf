import assert from 'node:assert/strict'
import test from 'node:test'
import type { ServiceRoutes } from '../../../../src/model/http-routes.ts'
import { addressSubscription } from '../../../../src/model/names.ts'
import type { Delta } from '../../../../src/model/source.ts'
import { defaultMesh } from '../../../../src/operator/compile/compile.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { service } from '../../model/builders.ts'

const web = service('web', { addresses: ['10.96.0.1'] })
const name = `routes/${web.key}`
const use = addressSubscription('default', '10.96.0.1')

function routes(port: number): ServiceRoutes {
  return { type: 'routes', service: web.key, tables: [{ port, clients: '', rules: [] }] }
}

function world() {
  const publisher = createPublisher('test')
  publisher.replace([defaultMesh, web, routes(80)])
  const connect = (node: string, names: readonly string[]) => {
    const sent: Delta[] = []
    const session = publisher.connect(node, names, (delta) => void sent.push(delta))
    const nonce = () => sent.at(-1)?.nonce ?? ''
    return {
      ...session,
      take: () => session.ack(nonce()),
      refuse: () => session.nack(nonce(), 'not that', [name]),
    }
  }
  const spread = () => {
    const { nodes, live } = publisher.spread(name)
    return [nodes, live]
  }
  return { publisher, connect, spread }
}

test('nodes that use the service count, and those that acknowledged its routes are live', () => {
  const { connect, spread, publisher } = world()
  assert.deepEqual(spread(), [0, 0])
  const idle = connect('n0', [])
  const using = connect('n1', [use])
  assert.deepEqual(spread(), [1, 0])
  idle.take()
  using.take()
  assert.deepEqual(spread(), [1, 1])
  const before = publisher.moves
  publisher.apply({ upserts: [routes(81)], removals: [] })
  assert.deepEqual(spread(), [1, 0])
  using.take()
  assert.deepEqual(spread(), [1, 1])
  assert.ok(publisher.moves > before)
  using.unsubscribe([use])
  using.take()
  assert.deepEqual(spread(), [0, 0])
})

test('a node that rejects them has not got them', () => {
  const { connect, spread } = world()
  const node = connect('n1', [use])
  node.refuse()
  assert.deepEqual(spread(), [1, 0])
})

test('a node with two streams counts once, and as the one that is behind', () => {
  const { connect, spread } = world()
  const old = connect('n1', [use])
  const young = connect('n1', [use])
  old.take()
  assert.deepEqual(spread(), [1, 0])
  young.take()
  assert.deepEqual(spread(), [1, 1])
  old.close()
  young.close()
  assert.deepEqual(spread(), [0, 0])
})
