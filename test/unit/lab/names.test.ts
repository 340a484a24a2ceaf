import assert from 'node:assert/strict'
import test from 'node:test'
import { labPaths, netnsName } from '../../../src/lab/names.ts'
import { createAllocator } from '../../../src/lab/net/addresses.ts'
import { findPlace, type Standing } from '../../../src/lab/standing.ts'

test("names that would leave their folder, or another lab's, are refused", () => {
  for (const name of ['', '..', 'a/b', 'a.b', 'UP', 'x'.repeat(41), '-a', 'a-']) {
    assert.throws(() => labPaths(name), /cannot name a lab/, name)
  }
  assert.ok(
    !netnsName('a-b', 'x').startsWith(netnsName('a', '')),
    'no lab has the prefix of another',
  )
})

test('addresses go round, and one that was given back may be asked for', () => {
  const allocator = createAllocator(3, 'seat')
  assert.deepEqual([allocator.take(), allocator.take()], [0, 1])
  allocator.release(0)
  assert.deepEqual([allocator.take(), allocator.take()], [2, 0])
  assert.throws(() => allocator.take(), /no seat is left of 3/)
  allocator.release(1)
  assert.throws(() => allocator.take(2), /seat 2 is taken/)
  assert.equal(allocator.take(1), 1)
})

test('places are found by name, where it is clear which', () => {
  const place = (cgroup: string) => ({ cgroup })
  const pod = (namespace: string, name: string) => ({
    namespace,
    name,
    node: 'node1',
    addresses: [],
    place: place(`${namespace}/${name}`),
  })
  const standing: Standing = {
    nodes: [{ name: 'node1', addresses: [], place: place('node1') }],
    pods: [pod('a', 'x'), pod('b', 'x'), pod('b', 'y')],
    services: [],
    mesh: false,
  }
  assert.deepEqual(findPlace(standing, 'node1'), place('node1'))
  assert.deepEqual(findPlace(standing, 'y'), place('b/y'))
  assert.deepEqual(findPlace(standing, 'a/x'), place('a/x'))
  assert.throws(() => findPlace(standing, 'x'), /several pods are called 'x'/)
  assert.throws(() => findPlace(standing, 'z'), /there are node1, a\/x, b\/x, b\/y/)
})
