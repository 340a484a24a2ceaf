// A node that cannot be reached, and one whose power fails.
import assert from 'node:assert/strict'
import test from 'node:test'
import { waitFor } from '../../../src/lab/process/wait.ts'
import {
  answersOf,
  failuresSince,
  moreAnswers,
  readCounts,
  shop,
  shopPods,
  slowest,
  withoutFailure,
} from '../support/load.ts'
import { type Mesh, minuteMs } from '../support/mesh.ts'
import { rolledOut } from '../support/rollout.ts'

/**
 * A new connection that meets an endpoint which does not answer tries another one: in less than a
 * second, and this is what a busy machine may add.
 */
const mostMs = 4_000

export function nodeFailureTests(mesh: () => Mesh): void {
  /** Waits until new connections from a node have led to servers on another one. */
  const reached = async (client: string, server: string) => {
    const start = answersOf(readCounts(mesh()), client, server)
    await waitFor(
      `clients on ${client} to have answers from ${server}`,
      () => answersOf(readCounts(mesh()), client, server) > start,
      4 * minuteMs,
    )
  }

  test('a cut link fails what was under way to that node, and nothing else', async () => {
    await mesh().kubectl(['scale', 'deployment/web', '--replicas=6', '--namespace', shop])
    await rolledOut(mesh(), shop, 'deployment/web')
    await reached('node1', 'node2')
    await reached('node2', 'node1')
    const start = readCounts(mesh())
    const undo = await mesh().cutLink('node2')
    const cutAt = Date.now()
    try {
      await moreAnswers(mesh(), 200, { kinds: ['fresh'] })
    } finally {
      await undo()
    }
    for (const [client, server] of [
      ['node1', 'node2'],
      ['node2', 'node1'],
    ] as const) {
      await reached(client, server)
    }
    const end = readCounts(mesh())
    const wrong = failuresSince(start, end).filter(
      ({ client, kind, node, startedAt }) =>
        // One that was open, or being opened, to a server on the other node.
        !(kind === 'kept' && node !== '' && node !== client) && startedAt > cutAt,
    )
    assert.deepEqual(wrong, [])
    const tookMs = slowest(end, 'fresh', cutAt)
    assert.ok(tookMs < mostMs, `a new connection took ${tookMs} ms`)
    await withoutFailure(mesh(), async () => moreAnswers(mesh(), 50), Date.now())
  })

  test('a node whose power failed ends as it was', async () => {
    const [pods, pins] = [await shopPods(mesh()), await pinsOf(mesh(), 'node2')]
    const start = readCounts(mesh())
    await mesh().powerOff('node2')
    const offAt = Date.now()
    await moreAnswers(mesh(), 100, { nodes: ['node1'] })
    await mesh().boot('node2')
    await waitFor(
      'the clients on node2 to be started again',
      () => answersOf(readCounts(mesh()), 'node2', 'node1') > 0,
      2 * minuteMs,
    )
    await mesh().enrolled(shop, pods)
    await reached('node1', 'node2')
    await reached('node2', 'node1')
    const wrong = failuresSince(start, readCounts(mesh())).filter(
      ({ client, startedAt, node, kind }) =>
        client === 'node1' && startedAt > offAt && !(kind === 'kept' && node === 'node2'),
    )
    assert.deepEqual(wrong, [])
    assert.deepEqual(await pinsOf(mesh(), 'node2'), pins)
    await withoutFailure(mesh(), async () => moreAnswers(mesh(), 50), Date.now())
  })
}

/** Names of what is pinned on a node, without the numbers of processes and namespaces. */
async function pinsOf(mesh: Mesh, node: string): Promise<readonly string[]> {
  const find = ['find', '/sys/fs/bpf/sluice', '-type', 'f']
  const names = (await mesh.exec(node, find)).split('\n').filter(Boolean)
  return names.map((name) => name.replaceAll(/\d{4,}/g, 'N')).sort()
}
