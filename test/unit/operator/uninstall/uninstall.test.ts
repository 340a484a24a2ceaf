import assert from 'node:assert/strict'
import test from 'node:test'
import { KubeError, type KubeApi } from '../../../../src/operator/kube/api.ts'
import { uninstallCluster } from '../../../../src/operator/uninstall/uninstall.ts'

const withdrawer = { metadata: { name: 'sluice-withdrawer' } }
const cleaner = { metadata: { name: 'sluice-cleaner' } }

/** What stands, by the last part of its path; what is deleted goes after it was looked at twice. */
function cluster(names: readonly string[], ready: readonly number[]) {
  const standing = new Map(names.map((name) => [name, Number.POSITIVE_INFINITY]))
  const log: string[] = []
  const readiness = [...ready]
  const api: KubeApi = {
    async call({ method = 'GET', path, body }) {
      const name = path.split('/').at(-1) ?? ''
      if (method === 'POST') {
        const made = (body as typeof cleaner).metadata.name
        standing.set(made, Number.POSITIVE_INFINITY)
        log.push(`make ${made}`)
        return {}
      }
      const looks = standing.get(name)
      if (looks === undefined) throw new KubeError(404, `${name} not found`)
      if (method === 'DELETE') {
        log.push(`delete ${name}`)
        standing.set(name, 2)
      } else if (looks <= 1) {
        standing.delete(name)
        log.push(`gone ${name}`)
      } else standing.set(name, looks - 1)
      const numberReady = (readiness.length > 1 ? readiness.shift() : readiness[0]) ?? 0
      const status = { observedGeneration: 1, desiredNumberScheduled: 2, numberReady }
      return { metadata: { generation: 1 }, status }
    },
    watch: () => Promise.reject(new Error('nothing is watched')),
  }
  return { api, log }
}

const options = {
  namespace: 'sluice-system',
  withdrawer,
  cleaner,
  say: () => {},
  pollMs: 1,
  timeoutMs: 30_000,
}

test('pods leave before proxies end, then nodes are cleaned, the operator is last', async () => {
  const all = ['sluice-nodeproxy', 'sluice-operator', 'sluice-serving-ca', 'sluice-ca']
  const { api, log } = cluster(all, [0, 1, 2, 0, 1, 2])
  await uninstallCluster({ ...options, api })
  assert.deepEqual(log, [
    'make sluice-withdrawer',
    'delete sluice-withdrawer',
    'gone sluice-withdrawer',
    'delete sluice-nodeproxy',
    'gone sluice-nodeproxy',
    'make sluice-cleaner',
    'delete sluice-cleaner',
    'gone sluice-cleaner',
    'delete sluice-operator',
    'gone sluice-operator',
    'delete sluice-serving-ca',
    'delete sluice-ca',
  ])
})

test('a second attempt begins where the first one failed', async () => {
  const { api, log } = cluster(['sluice-cleaner'], [2])
  await uninstallCluster({ ...options, api })
  assert.deepEqual(log.slice(3, 6), [
    'delete sluice-cleaner',
    'gone sluice-cleaner',
    'make sluice-cleaner',
  ])
})

test('no proxy ends before all nodes have said that no pod is in the mesh', async () => {
  const { api, log } = cluster(['sluice-nodeproxy'], [1])
  await assert.rejects(
    uninstallCluster({ ...options, api, timeoutMs: 50 }),
    /all nodes to have no pod in the mesh: 1 of 2 are/,
  )
  assert.deepEqual(log, ['make sluice-withdrawer'])
})

test('a node that does not get clean is told, with what one can do', async () => {
  const { api, log } = cluster(['sluice-operator'], [2, 1])
  await assert.rejects(
    uninstallCluster({ ...options, api, timeoutMs: 50 }),
    /all nodes to be clean: 1 of 2 are; .*--no-hooks/,
  )
  assert.ok(!log.includes('delete sluice-operator'))
})
