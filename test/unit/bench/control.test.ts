// The control benchmark in short, for what it counts: the operator and its nodes as processes, real
// gRPC between them. Times are for the benchmark itself.
import assert from 'node:assert/strict'
import test from 'node:test'
import { measureControl } from '../../../bench/control/run.ts'

test('nodes are sent what they use, and nothing else', async () => {
  const plan = {
    nodes: 12,
    services: 150,
    endpoints: 600,
    servicesPerNode: 10,
    changesPerSecond: 200,
    seconds: 1,
    seed: 1,
  }
  const figures = await measureControl(plan, () => {})
  assert.equal(figures.unrelatedChangeBytes, 0)
  assert.equal(figures.unexpectedAcks, 0)
  assert.equal(figures.single.length, 198, 'each change to a service of one node was acknowledged')
  assert.equal(figures.fanout.length, 2, 'and each to the popular one, by all who use it')
  const { bytesOwnPods, bytesHalf, bytesPerNode, fullPushBytes } = figures
  const proportion = (bytesPerNode - bytesOwnPods) / (bytesHalf - bytesOwnPods)
  assert.ok(proportion > 1.8 && proportion < 2.2, `twice the services, ${proportion} the bytes`)
  assert.ok(bytesPerNode < fullPushBytes)
})
