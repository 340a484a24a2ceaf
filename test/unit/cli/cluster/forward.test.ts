// The operator's real HTTP port through port-forward, as it goes over the wire.
import assert from 'node:assert/strict'
import test from 'node:test'
import { KubeConfig } from '@kubernetes/client-node'
import { openForward } from '../../../../src/cli/cluster/forward.ts'
import { getJson } from '../../../../src/cli/cluster/http-get.ts'
import type { PodRow, StatusAnswer } from '../../../../src/model/status.ts'
import { createPublisher } from '../../../../src/operator/publish/publisher.ts'
import { enrolment } from '../../model/builders.ts'
import { openReplica } from '../../operator/report/replica.ts'
import { startForwardServer } from './forward-server.ts'

function configFor(server: string): KubeConfig {
  const config = new KubeConfig()
  config.loadFromOptions({
    clusters: [{ name: 'test', server, skipTLSVerify: true }],
    users: [{ name: 'test' }],
    contexts: [{ name: 'test', cluster: 'test', user: 'test' }],
    currentContext: 'test',
  })
  return config
}

const target = { namespace: 'sluice-system', pod: 'operator-a', port: 15_014 }

test('an answer of thousands of pods comes whole, and the connection ends', async (t) => {
  const publisher = createPublisher('a')
  publisher.replace(Array.from({ length: 3_000 }, (_, index) => enrolment(`p${index}`)))
  const replica = await openReplica(t, publisher)
  const { url, asked } = await startForwardServer(t, replica.port)
  const connection = await openForward(configFor(url), target)
  const { rows } = (await getJson(connection, '/status/pods')) as StatusAnswer<PodRow>
  assert.equal(rows.length, 3_000)
  assert.deepEqual(asked, [
    '/api/v1/namespaces/sluice-system/pods/operator-a/portforward?ports=15014',
  ])
  assert.ok(connection.destroyed)
})

test('what the operator refuses is told', async (t) => {
  const replica = await openReplica(t, createPublisher('a'))
  const { url } = await startForwardServer(t, replica.port)
  const connection = await openForward(configFor(url), target)
  await assert.rejects(getJson(connection, '/status/config'), /400 of which node\?/)
})

test('nobody listens in the pod: the kubelet says so', async (t) => {
  const { url } = await startForwardServer(t, undefined)
  const connection = await openForward(configFor(url), target)
  await assert.rejects(
    getJson(connection, '/status/pods'),
    /port 15014 of pod operator-a: connection refused/,
  )
})

test('who may not forward ports is told what right he lacks', async (t) => {
  const { url } = await startForwardServer(t, undefined)
  await assert.rejects(
    openForward(configFor(url), { ...target, namespace: 'forbidden' }),
    /pod forbidden\/operator-a cannot be reached: .*403.*pods\/portforward/,
  )
})
