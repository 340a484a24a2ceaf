import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { waitFor } from '../../../../src/lab/process/wait.ts'
import { KubeError, type KubeApi } from '../../../../src/operator/kube/api.ts'
import { createReportBook } from '../../../../src/operator/report/report-book.ts'
import { startTaintRemover, startUpTaint } from '../../../../src/operator/status/start-up-taint.ts'
import { nodeFacts } from '../report/reports.ts'

interface Taint {
  readonly key: string
}

interface Patch {
  readonly op: string
  readonly value?: readonly Taint[]
}

/** Nodes with these taints; a patch whose test fails is refused. */
function cluster(taints: Map<string, readonly Taint[]>) {
  const patches: string[] = []
  const api: KubeApi = {
    async call({ method = 'GET', path, body }) {
      const node = path.split('/').at(-1) ?? ''
      const has = taints.get(node)
      if (method === 'GET') return { spec: has === undefined ? {} : { taints: has } }
      const [tested, change] = body as readonly Patch[]
      patches.push(node)
      if (JSON.stringify(tested?.value) !== JSON.stringify(has)) throw new KubeError(422, 'test')
      if (change?.op === 'remove') taints.delete(node)
      else taints.set(node, change?.value ?? [])
      return {}
    },
    watch: () => Promise.reject(new Error('nothing is watched')),
  }
  return { api, patches }
}

function start(t: TestContext, api: KubeApi) {
  const removed: string[] = []
  const errors: string[] = []
  const reports = createReportBook({
    nodeOf: () => undefined,
    limits: { podsPerNode: 1 },
    nowMs: () => 0,
  })
  const stop = startTaintRemover({
    api,
    reports,
    onRemoved: (node) => void removed.push(node),
    onError: (node, error) => void errors.push(`${node}: ${error.message}`),
    pollMs: 1,
  })
  t.after(stop)
  const say = (node: string, notReady: string) => {
    const facts = nodeFacts({ notReady })
    reports.open(node, () => {}).take({ initial: true, facts, pods: [], gone: [] })
  }
  return { say, removed, errors }
}

const other = { key: 'example.com/gpu' }
const own = { key: startUpTaint }

test('the taint goes when its agent is ready, and not before; others stay', async (t) => {
  const taints = new Map([
    ['a', [other, own]],
    ['b', [own]],
    ['c', [own]],
  ])
  const { api, patches } = cluster(taints)
  const { say, removed } = start(t, api)
  say('c', 'no configuration yet')
  say('b', '')
  say('a', '')
  await waitFor('both taints to go', () => removed.length === 2)
  assert.deepEqual(
    [...taints],
    [
      ['a', [other]],
      ['c', [own]],
    ],
  )
  say('c', '')
  await waitFor('the third one to go', () => removed.length === 3)
  assert.equal(patches.length, 3)
})

test('a change beside ours is not undone: it is tried again', async (t) => {
  const taints = new Map([['a', [own]]])
  const { api } = cluster(taints)
  let first = true
  const call: KubeApi['call'] = async (request) => {
    const answer = await api.call(request)
    if (first && request.method === undefined) taints.set('a', [own, other])
    first = false
    return answer
  }
  const { say, removed, errors } = start(t, { ...api, call })
  say('a', '')
  await waitFor('the taint to go', () => removed.length === 1)
  assert.deepEqual(taints.get('a'), [other])
  assert.deepEqual(errors, ['a: test'])
})
