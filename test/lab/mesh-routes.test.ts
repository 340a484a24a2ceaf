// HTTPRoutes on two nodes: real clients and servers, and what the servers saw.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { createMeshWorld, type MeshWorld } from './support/mesh-world.ts'
import { script } from './support/programs.ts'

const TIMEOUT_MS = 120_000
const namespace = 'routes'
const port = 8080

interface Ask {
  readonly path: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly times?: number
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** What the server saw; undefined: the proxy answered. */
  readonly saw?: {
    readonly name: string
    readonly method: string
    readonly url: string
    readonly headers: Readonly<Record<string, string>>
  }
}

interface World extends MeshWorld {
  readonly client: LabPod
  /** The address of the Service that routes are attached to; its own endpoints are `own`. */
  readonly web: string
}

/** Requests of one connection, so that all of them are one worker's. */
async function ask({ client, web }: World, asks: readonly Ask[], at = 80): Promise<Answer[]> {
  const argv = [process.execPath, script('http/ask.mjs'), web, `${at}`, JSON.stringify(asks)]
  const { stdout } = await client.exec(argv, { timeoutMs: TIMEOUT_MS })
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Answer)
}

async function one(world: World, request: Ask): Promise<Answer> {
  const [answer] = await ask(world, [request])
  assert.ok(answer)
  return answer
}

/** A client on node1, and three servers with a Service each, of which one is on node2. */
async function addServers(mesh: MeshWorld): Promise<World> {
  const { lab } = mesh
  const names = ['own', 'v1', 'v2']
  const [client, ...servers] = await lab.addPods([
    { namespace, name: 'client', node: 'node1' },
    ...names.map((name) => ({
      namespace,
      name,
      node: name === 'v2' ? 'node2' : 'node1',
      labels: { server: name },
    })),
  ])
  assert.ok(client)
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'true' })
  await mesh.mesh.waitEnrolled([client, ...servers])
  for (const server of servers) {
    const argv = [process.execPath, script('http/echo.mjs'), `${port}`, server.name]
    await server.spawn(argv).waitForLine(/^ready$/u)
  }
  const add = async (name: string, server: string) =>
    lab.addService({
      name,
      namespace,
      selector: { server },
      ports: [
        { name: 'http', port: 80, targetPort: port },
        { name: 'unnamed', port: 81, targetPort: port },
      ],
    })
  const service = await add('web', 'own')
  await add('v1', 'v1')
  await add('v2', 'v2')
  return { ...mesh, client, web: service.spec.clusterIPs[0] ?? '' }
}

const to = (name: string, weight = 1) => ({ name, port: 80, weight })

function httpRoute(name: string, rules: readonly object[]): object {
  return {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'HTTPRoute',
    metadata: { namespace, name, generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { parentRefs: [{ group: '', kind: 'Service', name: 'web' }], rules },
  }
}

/** In use by the node, which the last of its rules shows. */
async function apply(world: World, rules: readonly object[]): Promise<void> {
  const mark = `/mark-${Math.random().toString(36).slice(2)}`
  const answers = {
    matches: [{ path: { type: 'Exact', value: mark } }],
    filters: [{ type: 'RequestRedirect', requestRedirect: { statusCode: 302 } }],
  }
  await world.mesh.config.setExtraObjects([httpRoute('web', [...rules, answers])])
  await waitFor(
    'the routes to be in use',
    async () => (await one(world, { path: mark })).status === 302,
    TIMEOUT_MS,
  )
}

const exact = (value: string) => [{ path: { type: 'Exact', value } }]
const prefix = (value: string) => [{ path: { type: 'PathPrefix', value } }]

test('HTTPRoutes', async (t) => {
  await using mesh = await createMeshWorld({ accessLog: 0 })
  const world = await addServers(mesh)
  const nameOf = async (request: Ask) => (await one(world, request)).saw?.name

  await t.test('before there are any, requests go to the Service itself', async () => {
    assert.equal(await nameOf({ path: '/v1' }), 'own')
  })

  await t.test('matches: path, header, query and method, and nothing is 404', async () => {
    await apply(world, [
      { matches: exact('/v1'), backendRefs: [to('v1')] },
      { matches: prefix('/v2'), backendRefs: [to('v2')] },
      {
        matches: [{ headers: [{ name: 'X-Canary', value: 'yes' }] }],
        backendRefs: [to('v2')],
      },
      { matches: [{ queryParams: [{ name: 'to', value: 'v1' }] }], backendRefs: [to('v1')] },
      { matches: [{ method: 'DELETE' }], backendRefs: [to('v2')] },
    ])
    assert.equal(await nameOf({ path: '/v1' }), 'v1')
    assert.equal(await nameOf({ path: '/v2/deeper' }), 'v2')
    assert.equal(await nameOf({ path: '/', headers: { 'x-canary': 'yes' } }), 'v2')
    assert.equal(await nameOf({ path: '/any?to=v1' }), 'v1')
    assert.equal(await nameOf({ path: '/any', method: 'DELETE' }), 'v2')
    for (const path of ['/', '/v1/deeper', '/v22', '/any?to=v2']) {
      assert.equal((await one(world, { path })).status, 404, path)
    }
    // They are those of the port that says HTTP.
    const [unnamed] = await ask(world, [{ path: '/v1' }], 81)
    assert.equal(unnamed?.saw?.name, 'own')
  })

  await t.test('shares are exact', async () => {
    await apply(world, [
      { matches: exact('/split'), backendRefs: [to('v1', 3), to('v2', 1), to('own', 0)] },
    ])
    const answers = await ask(world, [{ path: '/split', times: 40 }])
    const names = Map.groupBy(answers, ({ saw }) => saw?.name)
    assert.deepEqual([names.get('v1')?.length, names.get('v2')?.length], [30, 10])
  })

  await t.test('heads are changed on their way', async () => {
    const modified = (changes: object) => ({
      type: 'RequestHeaderModifier',
      requestHeaderModifier: changes,
    })
    await apply(world, [
      {
        matches: prefix('/old'),
        filters: [
          modified({ set: [{ name: 'X-Env', value: 'prod' }], remove: ['X-Secret'] }),
          {
            type: 'ResponseHeaderModifier',
            responseHeaderModifier: { add: [{ name: 'X-By', value: 'web' }], remove: ['X-Drop'] },
          },
          {
            type: 'URLRewrite',
            urlRewrite: {
              hostname: 'v1.example.com',
              path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' },
            },
          },
        ],
        backendRefs: [to('v2')],
      },
    ])
    const headers = { 'x-env': 'mine', 'x-secret': 'hidden', 'x-kept': 'kept' }
    const { saw, headers: answered } = await one(world, { path: '/old/a?b=c', headers })
    assert.deepEqual([saw?.name, saw?.url], ['v2', '/new/a?b=c'])
    const { host, 'x-env': env, 'x-secret': secret, 'x-kept': kept } = saw?.headers ?? {}
    assert.deepEqual([host, env, secret, kept], ['v1.example.com', 'prod', undefined, 'kept'])
    assert.deepEqual([answered['x-by'], answered['x-drop']], ['web', undefined])
  })

  await t.test('redirects, invalid backends and time limits', async () => {
    await apply(world, [
      {
        matches: prefix('/away'),
        filters: [
          {
            type: 'RequestRedirect',
            requestRedirect: {
              hostname: 'example.com',
              statusCode: 301,
              path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/here' },
            },
          },
        ],
      },
      { matches: exact('/gone'), backendRefs: [to('gone')] },
      { matches: exact('/half'), backendRefs: [to('v1'), to('gone')] },
      { matches: prefix('/slow'), timeouts: { request: '300ms' }, backendRefs: [to('v2')] },
    ])
    const away = await one(world, { path: '/away/a?b', headers: { host: 'web' } })
    assert.deepEqual([away.status, away.headers['location']], [301, 'http://example.com/here/a?b'])
    assert.equal((await one(world, { path: '/gone' })).status, 500)
    const halves = await ask(world, [{ path: '/half', times: 10 }])
    const good = halves.filter(({ status }) => status === 200)
    assert.deepEqual([good.length, halves.length - good.length], [5, 5])
    const [late, next] = await ask(world, [{ path: '/slow/silence' }, { path: '/slow' }])
    assert.deepEqual([late?.status, next?.status, next?.saw?.name], [504, 200, 'v2'])
  })

  await t.test('a change under load: every request is served, by the old or the new', async () => {
    const all = (name: string) => [{ matches: prefix('/'), backendRefs: [to(name)] }]
    await apply(world, all('v1'))
    const argv = JSON.stringify([{ path: '/', times: 1_000_000 }])
    const asking = world.client.spawn([
      process.execPath,
      script('http/ask.mjs'),
      world.web,
      '80',
      argv,
    ])
    const answers = () => asking.lines().map((line) => JSON.parse(line) as Answer)
    const served = async (name: string) =>
      waitFor(`${name} to serve`, () => answers().some(({ saw }) => saw?.name === name), TIMEOUT_MS)
    await served('v1')
    await apply(world, all('v2'))
    await served('v2')
    await asking.stop()
    const names = answers().map(({ status, saw }) => (status === 200 ? saw?.name : `${status}`))
    const last = names.lastIndexOf('v1')
    assert.deepEqual(new Set(names), new Set(['v1', 'v2']))
    assert.equal(names.indexOf('v2'), last + 1, 'one served by the old after the new')
  })

  await t.test('without them requests go to the Service itself again', async () => {
    await world.mesh.config.setExtraObjects([])
    await waitFor('its own', async () => (await nameOf({ path: '/v1' })) === 'own', TIMEOUT_MS)
  })
})
