// Steady traffic of enrolled pods, while all around it is replaced or away.
import assert from 'node:assert/strict'
import test from 'node:test'
import { waitFor } from '../../../src/lab/process/wait.ts'
import {
  failuresSince,
  moreAnswers,
  readCounts,
  serversSince,
  shop,
  shopPods,
  startShop,
  withoutFailure,
} from '../support/load.ts'
import { killProxy, operatorsConnected, proxiesReplaced, rolledOut } from '../support/rollout.ts'
import { type Mesh, minuteMs, own, upgrade } from '../support/mesh.ts'

/** Answers of each kind of client while something is away: seconds, or minutes. */
const awhile = process.env['SLUICE_SOAK'] === '1' ? 15_000 : 300

export function trafficTests(mesh: () => Mesh): void {
  const kubectl = async (...args: readonly string[]) => {
    await mesh().kubectl(args, { timeoutMs: 6 * minuteMs })
  }
  const scale = async (count: number) => {
    await kubectl('scale', 'deployment/web', `--replicas=${count}`, '--namespace', shop)
    await rolledOut(mesh(), shop, 'deployment/web')
    // Those that are too many drain.
    await waitFor(
      `${count} servers`,
      async () => (await shopPods(mesh(), 'web')).length === count,
      minuteMs,
    )
    const start = readCounts(mesh())
    const answering = () => serversSince(start, readCounts(mesh())).length
    await waitFor(`answers of ${count} servers`, () => answering() === count, minuteMs)
  }

  test('running pods come into the mesh, and no request fails', async () => {
    await startShop(mesh())
    await kubectl('annotate', 'namespace', shop, 'sluice.dev/enroll=true')
    await mesh().enrolled(shop, await shopPods(mesh()))
    await withoutFailure(mesh(), async () => moreAnswers(mesh(), 50))
  })

  test('a Deployment goes from 2 to 6 to 1 pods', async () => {
    await withoutFailure(mesh(), async () => {
      await scale(6)
      await scale(1)
      await scale(2)
    })
  })

  test('the app rolls', async () => {
    const first = await shopPods(mesh(), 'web')
    await withoutFailure(mesh(), async () => {
      await kubectl('rollout', 'restart', 'deployment/web', '--namespace', shop)
      await rolledOut(mesh(), shop, 'deployment/web')
      await scale(2)
    })
    assert.ok((await shopPods(mesh(), 'web')).every((name) => !first.includes(name)))
  })

  test('the DaemonSet rolls', async () => {
    const before = await mesh().proxies()
    await withoutFailure(mesh(), async () => {
      await kubectl('rollout', 'restart', 'daemonset/sluice-nodeproxy', '--namespace', own)
      await proxiesReplaced(mesh(), before)
    })
  })

  test('helm upgrade replaces proxies and operators', async () => {
    const before = await mesh().proxies()
    await withoutFailure(mesh(), async () => {
      const parts = ['nodeproxy', 'operator']
      const settings = parts.flatMap((part) => ['--set', `${part}.podAnnotations.round=second`])
      await upgrade(mesh(), ...settings)
      await proxiesReplaced(mesh(), before)
    })
  })

  test('the operator is away; agents that start meanwhile serve what was known', async () => {
    await withoutFailure(mesh(), async () => {
      await kubectl('scale', 'deployment/sluice-operator', '--replicas=0', '--namespace', own)
      await operatorsConnected(mesh(), 0)
      const before = await mesh().proxies()
      await kubectl('rollout', 'restart', 'daemonset/sluice-nodeproxy', '--namespace', own)
      await proxiesReplaced(mesh(), before)
      assert.equal(await mesh().metric('sluice_config_from_disk'), 2)
      await withoutFailure(mesh(), async () => moreAnswers(mesh(), awhile))
      await kubectl('scale', 'deployment/sluice-operator', '--replicas=2', '--namespace', own)
      await operatorsConnected(mesh(), 2)
      await scale(3)
    })
  })

  test('the API server is away', async () => {
    await withoutFailure(mesh(), async () => {
      await mesh().stop('control', 'kube-apiserver')
      try {
        await moreAnswers(mesh(), awhile)
      } finally {
        await mesh().start('control', 'kube-apiserver')
      }
      await scale(2)
    })
  })

  test('a container is killed: what it held ends, and what comes after it works', async () => {
    const start = readCounts(mesh())
    const killed = await killProxy(mesh(), 'node1')
    await moreAnswers(mesh(), 20)
    await killed.restarted()
    await withoutFailure(mesh(), async () => moreAnswers(mesh(), 20), Date.now())
    const failed = failuresSince(start, readCounts(mesh()))
    const later = failed.filter(({ startedAt }) => startedAt > killed.at)
    assert.deepEqual(later, [], 'nothing that began when it was dead failed')
  })
}
