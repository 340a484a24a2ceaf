// Services, policies and pods of all kinds: what kube-proxy does for pods outside of the mesh, it
// does on, and enrolled pods see no difference.
import assert from 'node:assert/strict'
import test from 'node:test'
import { waitFor } from '../../../src/lab/process/wait.ts'
import { addressOf, type Answer, ask, kinds, outside, startKinds, who } from '../support/kinds.ts'
import { type Mesh, minuteMs } from '../support/mesh.ts'

const named = (service: string) => `http://${service}.${kinds}.svc.cluster.local`
const qos = ['besteffort', 'burstable', 'guaranteed']
const askers = ['asker-node1', 'asker-node2'].map((name) => `${kinds}/${name}`)
const [near = '', far = ''] = askers
const refused = ['ECONNREFUSED', 'ECONNRESET']

/** By any of them: who asks at a pod's start may be there before all of them are ready. */
function answeredByQos(text: string): void {
  const names = who(JSON.parse(text) as Answer[])
  assert.ok(names.length > 0 && names.every((name) => qos.includes(name)), names.join(', '))
}

export function serviceTests(mesh: () => Mesh): void {
  const redirected = async () =>
    mesh().metric('sluice_kernel_events_total{event="connect_redirected"}')
  /** Asks, and looks that each connection went to the proxy. */
  const through = async (from: string, url: string, count: number): Promise<readonly Answer[]> => {
    const before = await redirected()
    const answers = await ask(mesh(), from, url, count)
    const more = (await redirected()) - before
    assert.ok(more >= count, `${more} of ${count} connections went to the proxy`)
    return answers
  }
  /** What a change of endpoints leads to, which takes its moment. */
  const becomes = async (from: string, url: string, count: number, names: readonly string[]) => {
    await waitFor(
      `${from} to have answers of ${names.join(', ')} by ${url}`,
      async () => {
        assert.deepEqual(who(await through(from, url, count)), names)
        return true
      },
      minuteMs,
    )
  }

  test('pods of every class of service are in the mesh, from both nodes', async () => {
    await startKinds(mesh())
    for (const from of askers) await becomes(from, named('qos'), 30, qos)
  })

  test('a server sees the address of its client, on its own node and on another', async () => {
    for (const from of askers) {
      const address = await addressOf(mesh(), from)
      const answers = await through(from, named('qos'), 20)
      assert.ok(
        answers.every(({ client }) => client === address),
        JSON.stringify(answers),
      )
    }
  })

  test('init containers, sidecars and several containers of a pod', async () => {
    for (const [port, number] of [
      [80, 8080],
      [81, 8081],
      [82, 8082],
    ]) {
      await becomes(far, `${named('several')}:${port}`, 4, ['several'])
      const answers = await through(far, `${named('several')}:${port}`, 4)
      assert.ok(answers.every((answer) => answer.port === number))
    }
    const first = await mesh().kubectl(['logs', 'several', '-c', 'first', '--namespace', kinds])
    answeredByQos(first)
  })

  test('a Job is in the mesh while it runs', async () => {
    const done = ['wait', 'job/once', '--namespace', kinds, '--for=condition=Complete']
    await mesh().kubectl([...done, '--timeout=120s'], { timeoutMs: 3 * minuteMs })
    const answers = await mesh().kubectl(['logs', 'job/once', '--namespace', kinds])
    answeredByQos(answers)
    const opened = 'istio_tcp_connections_opened_total{reporter="source",source_workload="once"'
    await waitFor(
      'the connections of the Job to be counted',
      async () => (await mesh().metric(opened)) > 0,
    )
  })

  test('a headless service, and the pods of a StatefulSet by their names', async () => {
    const answers = await through(near, `${named('db')}:8080`, 4)
    assert.ok(
      answers.every(({ name }) => /^db-[01]$/.test(name ?? '')),
      JSON.stringify(answers),
    )
    for (const pod of ['db-0', 'db-1']) {
      for (const from of askers) await becomes(from, `${named(`${pod}.db`)}:8080`, 3, [pod])
    }
  })

  test('sessionAffinity', async () => {
    for (const from of askers) {
      assert.equal(who(await through(from, named('sticky'), 30)).length, 1)
    }
  })

  test('internalTrafficPolicy Local', async () => {
    await becomes(near, named('local'), 20, ['besteffort', 'guaranteed'])
    await becomes(far, named('local'), 20, ['burstable'])
    await becomes(far, named('local-far'), 4, ['burstable'])
    const answers = await through(near, named('local-far'), 4)
    assert.ok(
      answers.every(({ error }) => refused.includes(error ?? '')),
      JSON.stringify(answers),
    )
  })

  test('publishNotReadyAddresses, and services without endpoints refuse at once', async () => {
    await becomes(near, named('published'), 4, ['unready'])
    for (const service of ['unready', 'nobody']) {
      const answers = await through(near, named(service), 4)
      assert.ok(
        answers.every(({ error }) => refused.includes(error ?? '')),
        JSON.stringify(answers),
      )
    }
  })

  test('what a policy drops does not come through the mesh, on one node and on two', async () => {
    for (const name of ['guaranteed', 'burstable']) {
      const pod = `${kinds}/${name}`
      const url = `http://${await addressOf(mesh(), pod)}:8080`
      const undo = await mesh().deny({ from: near, to: pod, port: 8080 })
      try {
        assert.deepEqual(who(await ask(mesh(), near, url, 2, 2_000)), ['ETIMEDOUT'])
        assert.deepEqual(who(await through(far, url, 2)), [name], 'another client')
        // A service has others.
        const rest = qos.filter((other) => other !== name)
        assert.deepEqual(who(await through(near, named('qos'), 20)), rest)
      } finally {
        await undo()
      }
      await becomes(near, url, 2, [name])
    }
  })

  test('pods outside have kube-proxy, and reach those in the mesh', async () => {
    const outsider = `${outside}/outsider`
    const ignored = 'sluice_kernel_events_total{event="connect_not_enrolled"}'
    const start = await mesh().metric(ignored)
    assert.deepEqual(who(await ask(mesh(), outsider, named('qos'), 40)), qos)
    assert.equal(who(await ask(mesh(), outsider, named('sticky'), 10)).length, 1)
    const [address, own] = [
      await addressOf(mesh(), `${kinds}/db-0`),
      await addressOf(mesh(), outsider),
    ]
    const answers = await ask(mesh(), outsider, `http://${address}:8080`, 4)
    assert.ok(answers.every(({ name, client }) => name === 'db-0' && client === own))
    const [refusal] = await ask(mesh(), outsider, named('nobody'), 1)
    assert.equal(refusal?.error, 'ECONNREFUSED')
    assert.ok((await mesh().metric(ignored)) - start >= 54)
  })

  test('enrolled pods reach pods outside', async () => {
    const url = `http://${await addressOf(mesh(), `${outside}/outsider`)}:8080`
    for (const from of askers) assert.deepEqual(who(await through(from, url, 4)), ['outsider'])
  })
}
