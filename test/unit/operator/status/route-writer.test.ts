import assert from 'node:assert/strict'
import test from 'node:test'
import type { RouteStatus } from '../../../../src/operator/compile/http/compile-routes.ts'
import type { ParentStatus } from '../../../../src/operator/compile/http/merge-status.ts'
import type { KeptRoute } from '../../../../src/operator/foreign/http-route.ts'
import { KubeError, type KubeApi, type KubeRequest } from '../../../../src/operator/kube/api.ts'
import type { Spread } from '../../../../src/operator/publish/publisher.ts'
import { createRouteWriter } from '../../../../src/operator/status/route-writer.ts'

const service = { group: '', kind: 'Service', name: 'web', port: 80 }
const gateway: ParentStatus = {
  parentRef: { name: 'edge', sectionName: 'https' },
  controllerName: 'example.com/gateway',
  conditions: [],
}

function statusOf(generation: number, accepted: 'True' | 'False' = 'True'): RouteStatus {
  const condition = { type: 'Accepted', status: accepted, reason: 'Any', message: 'any' } as const
  const parents = [{ parentRef: service, conditions: [condition] }]
  return { namespace: 'shop', name: 'web', generation, parents }
}

/** One route in a cluster whose watch brings what was written when the test says so. */
function world(parents: readonly ParentStatus[] = []) {
  const state = {
    version: 1,
    generation: 2,
    parents,
    status: statusOf(2) as RouteStatus | undefined,
  }
  const spread: { now: Spread } = { now: { nodes: 0, live: 0 } }
  const requests: KubeRequest[] = []
  const asked: object[] = []
  let answer: (request: KubeRequest) => unknown = take
  let seen = read()

  function read(): KeptRoute {
    const metadata = { namespace: 'shop', name: 'web', creationTimestamp: '' }
    const { version, generation } = state
    return {
      kind: 'HTTPRoute',
      metadata: { ...metadata, generation, resourceVersion: String(version) },
      spec: {},
      parents: state.parents,
    }
  }
  function take({ body }: KubeRequest) {
    const { metadata, status } = body as {
      metadata: { resourceVersion: string }
      status: { parents: readonly ParentStatus[] }
    }
    if (metadata.resourceVersion !== String(state.version)) throw new KubeError(409, 'conflict')
    Object.assign(state, { version: state.version + 1, parents: status.parents })
    return { metadata: { resourceVersion: String(state.version) } }
  }
  const api: KubeApi = {
    async call(request) {
      requests.push(request)
      return answer(request)
    },
    watch: async () => {},
  }
  const writer = createRouteWriter(api)
  return {
    state,
    spread,
    requests,
    asked,
    /** Somebody else writes. */
    change: (by: Partial<typeof state>) =>
      void Object.assign(state, by, { version: state.version + 1 }),
    watched: () => void (seen = read()),
    fail: (status: number) => {
      answer = () => {
        throw new KubeError(status, 'made to fail')
      }
    },
    heal: () => void (answer = take),
    write: () =>
      writer.write({
        version: 'v1',
        objects: new Map([['shop/web', seen]]),
        statuses: state.status === undefined ? new Map() : new Map([['shop/web', state.status]]),
        spreadOf(one) {
          asked.push(one)
          return spread.now
        },
      }),
    live: () =>
      state.parents
        .find(({ controllerName }) => controllerName === 'sluice.dev/mesh')
        ?.conditions.find(({ type }) => type === 'sluice.dev/Live'),
  }
}

test('entries are ours alone, with the parent as it was written and the generation', async () => {
  const { write, requests, state } = world([gateway])
  assert.equal(await write(), 0)
  const path = '/apis/gateway.networking.k8s.io/v1/namespaces/shop/httproutes/web/status'
  assert.equal(requests[0]?.path, path)
  const [other, own] = state.parents
  assert.deepEqual(other, gateway)
  assert.deepEqual(own?.parentRef, service)
  assert.deepEqual(
    own.conditions.map(({ type, observedGeneration }) => [type, observedGeneration]),
    [
      ['Accepted', 2],
      ['sluice.dev/Live', 2],
    ],
  )
})

test('it is quiet: once written, and once found as it is to be, nothing more is', async () => {
  const { write, requests, watched } = world()
  await write()
  await write()
  assert.equal(requests.length, 1, 'before the watch has brought it')
  watched()
  await write()
  await write()
  assert.equal(requests.length, 1)
  const late = world()
  await late.write()
  late.watched()
  // Another replica that leads finds it written.
  const next = world(late.state.parents)
  await next.write()
  assert.equal(next.requests.length, 0)
})

test('how many nodes have it is told, and told again when that changes', async () => {
  const { write, requests, watched, spread, live, asked } = world()
  await write()
  assert.deepEqual([live()?.status, live()?.reason], ['Unknown', 'NotUsed'])
  assert.deepEqual(asked[0], { namespace: 'shop', name: 'web' })
  for (const [nodes, at, status] of [
    [2, 1, 'False'],
    [2, 2, 'True'],
  ] as const) {
    watched()
    spread.now = { nodes, live: at }
    await write()
    assert.equal(live()?.status, status)
    assert.match(live()?.message ?? '', new RegExp(`^on ${at} of ${nodes} nodes`, 'u'))
  }
  assert.equal(requests.length, 3)
})

test('a parent that it is not attached to has it on no node', async () => {
  const { write, live, state, asked } = world()
  state.status = statusOf(2, 'False')
  await write()
  assert.deepEqual([live()?.status, live()?.reason], ['False', 'NotAttached'])
  assert.deepEqual(asked, [])
})

test('what others wrote meanwhile is not written over', async () => {
  const { write, requests, watched, change, state } = world()
  change({ parents: [gateway] })
  assert.equal(await write(), 0)
  assert.deepEqual(state.parents, [gateway])
  await write()
  assert.equal(requests.length, 1, 'not again before the watch has brought the other version')
  watched()
  await write()
  assert.deepEqual(
    state.parents.map(({ controllerName }) => controllerName),
    ['example.com/gateway', 'sluice.dev/mesh'],
  )
})

test('what is not compiled yet is not told', async () => {
  const { write, requests, watched, change, state } = world()
  change({ generation: 3 })
  watched()
  await write()
  assert.equal(requests.length, 0)
  state.status = statusOf(3)
  await write()
  assert.equal(requests.length, 1)
  state.status = undefined
  await write()
  assert.equal(requests.length, 1)
})

test('a route that is not for Services any more loses our entry alone', async () => {
  const { write, watched, change, state } = world([gateway])
  await write()
  change({ generation: 3 })
  watched()
  state.status = { ...statusOf(3), parents: [] }
  await write()
  assert.deepEqual(state.parents, [gateway])
})

test('somebody who always writes against it is answered a few times, and then seldom', async () => {
  const { write, requests, watched, change } = world()
  let waitMs = 0
  for (let turn = 0; turn < 20 && waitMs === 0; turn += 1) {
    waitMs = await write()
    change({ parents: [gateway] })
    watched()
  }
  assert.ok(waitMs > 1_000 && requests.length <= 6, `${waitMs} ms, ${requests.length} writes`)
})

test('one that is gone is no failure; missing rights are, and it is told later', async () => {
  const { write, watched, fail, heal, live, change } = world()
  fail(404)
  assert.equal(await write(), 0)
  fail(403)
  change({})
  watched()
  await assert.rejects(write(), /made to fail/)
  heal()
  await write()
  assert.notEqual(live(), undefined)
})
