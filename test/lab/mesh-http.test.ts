// HTTP by name of the port: real clients and servers through the engine, in every mode of
// acceleration, on the same node and across, with bytes as they were and counts that are right.
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import { both, type Program, startServer } from './support/echo-programs.ts'
import { createMeshWorld, type MeshWorld, type Mode, type Trio } from './support/mesh-world.ts'
import { script } from './support/programs.ts'
import { httpPrograms, UPLOAD_PORT } from './support/service-programs.ts'

const soak = process.env['SLUICE_SOAK'] === '1'
const BYTES = soak ? 20_000_000 : 1_000_000
const COUNT = soak ? 30 : 3
const TIMEOUT_MS = 120_000
const port = 8080

const self: Program = {
  name: 'server.mjs',
  ready: /ready/u,
  serve: (at) => [process.execPath, script('http/server.mjs'), `${at}`],
}

/** A client on node1, a server beside it and one on node2, each with a label of its own. */
async function addServed(world: MeshWorld, namespace: string, mode: Mode): Promise<Trio> {
  const [client, near, far] = (await world.lab.addPods([
    { namespace, name: 'client', node: 'node1' },
    { namespace, name: 'near', node: 'node1', labels: { server: 'near' } },
    { namespace, name: 'far', node: 'node2', labels: { server: 'far' } },
  ])) as [LabPod, LabPod, LabPod]
  await world.lab.annotateNamespace(namespace, {
    'sluice.dev/enroll': 'true',
    'sluice.dev/accelerate': mode,
  })
  await world.mesh.waitEnrolled([client, near, far])
  await Promise.all([near, far].map(async (pod) => startServer(pod, self, port)))
  return { namespace, client, near, far }
}

/** The address of a service of one pod, whose port says that it speaks HTTP. */
async function serviceOf(
  { lab }: MeshWorld,
  pod: LabPod,
  targetPort = port,
  how: { readonly name?: string; readonly appProtocol?: string } = { name: 'http-web' },
): Promise<string> {
  const service = await lab.addService({
    name: `${pod.name}-${targetPort}`,
    namespace: pod.namespace,
    selector: { server: pod.name },
    ports: [{ ...how, port: 80, targetPort }],
  })
  return service.spec.clusterIPs[0] ?? ''
}

async function sum(
  { mesh }: MeshWorld,
  name: string,
  labels: Readonly<Record<string, string>>,
): Promise<number> {
  return (await mesh.proxyOn('node1').metrics()).sum(name, labels)
}

async function waitForSum(
  world: MeshWorld,
  name: string,
  labels: Readonly<Record<string, string>>,
  expected: number,
): Promise<void> {
  await waitFor(`${name} of ${JSON.stringify(labels)} to be ${expected}`, async () => {
    const now = await sum(world, name, labels)
    if (now === expected) return true
    throw new Error(`it is ${now}`)
  })
}

/** What curl says: the body, and then the status. */
async function curl(client: LabPod, ...args: readonly string[]): Promise<string> {
  const argv = ['curl', '-sS', '-g', '-w', ' %{http_code}', ...args]
  return (await client.exec(argv, { timeoutMs: TIMEOUT_MS })).stdout
}

async function everyFeature(world: MeshWorld, { client }: Trio, server: LabPod): Promise<void> {
  const address = await serviceOf(world, server)
  const argv = [process.execPath, script('http/client.mjs'), address, '80']
  const all = await client.exec(argv, { timeoutMs: TIMEOUT_MS, check: false })
  assert.match(all.stdout, /^all \d+ held$/mu, `${server.name}: ${all.stdout}${all.stderr}`)
  assert.match(await curl(client, `http://${address}/headers`), /"user-agent":"curl.* 200$/u)
}

test('real clients and servers, by mode', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  for (const [mode, servers] of [
    ['auto', ['near', 'far']],
    ['full', ['near']],
    ['off', ['near']],
  ] as const) {
    await t.test(mode, async () => {
      const trio = await addServed(world, `http-${mode}`, mode)
      for (const server of servers) await everyFeature(world, trio, trio[server])
      const labels = { source_workload_namespace: trio.namespace, reporter: 'source' }
      const requests = { ...labels, response_code: '404', request_protocol: 'http' }
      await waitForSum(world, 'istio_requests_total', requests, servers.length)
      // What the port does not name goes as bytes: here, past every service.
      assert.equal(await curl(trio.client, `http://${trio.near.addresses.v4}:${port}/`), 'none 404')
      await waitForSum(world, 'istio_tcp_connections_closed_total', labels, 1)
    })
  }
  await t.test('nginx, Go and Python, asked by curl, Go and Python', async (t) => {
    await realPrograms(world, t)
  })
})

async function realPrograms(world: MeshWorld, t: TestContext): Promise<void> {
  const trio = await addServed(world, 'http-real', 'auto')
  const programs = httpPrograms(BYTES)
  const clients = [...programs, both('python', ['python3', script('http/keepalive.py')])]
  for (const server of [trio.near, trio.far]) {
    for (const [index, program] of programs.filter(({ serve }) => serve).entries()) {
      // nginx passes uploads on to the first of them.
      const at = UPLOAD_PORT + index
      await startServer(server, program, at)
      const address = await serviceOf(world, server, at, { appProtocol: 'http' })
      for (const { name, run } of clients) {
        if (run === undefined) continue
        // This server is of HTTP/1.0, and closes after each answer.
        if (name === 'python' && program.name.startsWith('python')) continue
        await t.test(`${server.name}: ${name} -> ${program.name}`, async () => {
          const argv = run(address, 80, BYTES, COUNT)
          const done = await trio.client.exec(argv, { check: false, timeoutMs: TIMEOUT_MS })
          assert.equal(done.status, 0, done.stderr)
          const { ok, failed, errors } = JSON.parse(done.stdout) as Result
          assert.deepEqual([ok, failed], [COUNT, 0], errors.join('; '))
        })
      }
    }
  }
}

interface Result {
  readonly ok: number
  readonly failed: number
  readonly errors: readonly string[]
}

/** A server in one line of JavaScript. */
async function serveLine(pod: LabPod, at: number, code: string): Promise<LabProcess> {
  const server = pod.spawn([process.execPath, '-e', `${code}.listen(${at},()=>console.log('on'))`])
  await server.waitForLine(/^on$/u)
  return server
}

test('what goes wrong has a status, a flag and a count', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const trio = await addServed(world, 'http-wrong', 'auto')
  const { client, near, far, namespace } = trio
  const answers = async (code: string, flags: string, expected: number): Promise<void> => {
    const labels = { source_workload_namespace: namespace, reporter: 'source' }
    const all = { ...labels, response_code: code, response_flags: flags }
    await waitForSum(world, 'istio_requests_total', all, expected)
  }

  await t.test('nobody serves, or nobody at all is there: 503', async () => {
    const silent = await serviceOf(world, near, 9)
    assert.match(await curl(client, `http://${silent}/`), /could not be reached\n 503$/u)
    await answers('503', 'UF', 1)
    const none = await world.lab.addService({
      name: 'none',
      namespace,
      selector: { server: 'none' },
      ports: [{ name: 'http', port: 80 }],
    })
    assert.match(await curl(client, `http://${none.spec.clusterIPs[0]}/`), /ready\n 503$/u)
    await answers('503', 'UH', 1)
  })

  await t.test('what the endpoint says is no HTTP: 502, and not a byte of it', async () => {
    await serveLine(near, 8090, `require('net').createServer(s=>s.end('SSH-2.0-x\\r\\n\\r\\n'))`)
    const address = await serviceOf(world, near, 8090)
    assert.equal(
      await curl(client, `http://${address}/`),
      'sluice: what the endpoint sent is no HTTP\n 502',
    )
    await answers('502', 'UPE', 1)
  })

  await t.test('a request that can be read in two ways: 400, and counted', async () => {
    const address = await serviceOf(world, near)
    const both = ['-H', 'content-length: 1', '-H', 'transfer-encoding: chunked']
    assert.equal(await curl(client, ...both, '-d', 'x', `http://${address}/digest`), ' 400')
    const reason = { reason: 'length_and_coding' }
    await waitForSum(world, 'sluice_http_rejected_total', reason, 1)
  })

  await t.test('HTTP/2 by prior knowledge goes as bytes', async () => {
    await serveLine(far, 8091, `require('http2').createServer((_,a)=>a.end('two'))`)
    const address = await serviceOf(world, far, 8091)
    assert.equal(await curl(client, '--http2-prior-knowledge', `http://${address}/`), 'two 200')
  })

  await t.test('an endpoint that ends, and comes again: nobody notices', async () => {
    const one = `require('http').createServer((_,a)=>a.end('one'))`
    const first = await serveLine(near, 8092, one)
    const address = await serviceOf(world, near, 8092)
    const reused = async (): Promise<string> => curl(client, `http://${address}/`)
    assert.equal(await reused(), 'one 200')
    // The proxy keeps its connection, which the server's end makes a stale one.
    await first.stop()
    await serveLine(near, 8092, one)
    assert.equal(await reused(), 'one 200')
    await answers('503', 'UF', 1)
  })
})

test('a newer proxy takes over, and nobody of HTTP notices', async () => {
  await using world = await createMeshWorld({ accessLog: 0, drainSeconds: 1 })
  const trio = await addServed(world, 'http-restart', 'auto')
  const { client, near, far } = trio
  const asking: LabProcess[] = []
  for (const server of [near, far]) {
    const address = await serviceOf(world, server)
    asking.push(client.spawn([process.execPath, script('http/asking.mjs'), address, '80']))
  }
  const assertServed = async (): Promise<void> => {
    for (const one of asking) {
      await moreOf(one, 'request', 5)
      await moreOf(one, 'tunnel', 5)
      assert.deepEqual(failures(one), [])
    }
  }
  await assertServed()
  const proxy = world.mesh.proxyOn('node1')
  const old = proxy.process
  proxy.start()
  assert.equal((await old.exited).status, 0, old.stderr())
  await proxy.waitReady()
  await assertServed()
  const before = await sum(world, 'istio_requests_total', { reporter: 'source' })
  for (const one of asking) await moreOf(one, 'request', 5)
  await waitFor('the new one to count', async () => {
    return (await sum(world, 'istio_requests_total', { reporter: 'source' })) > before
  })
  const reset = old.lines().some((line) => line.includes('resetting what'))
  assert.equal(reset, false, 'the keeper could not carry a tunnel on')
  await Promise.all(asking.map(async (one) => one.stop()))
})

function failures(asking: LabProcess): readonly string[] {
  return asking.lines().filter((line) => !/^(?:request|tunnel) ok$/u.test(line))
}

async function moreOf(asking: LabProcess, kind: string, count: number): Promise<void> {
  const now = () => asking.lines().filter((line) => line.startsWith(kind)).length
  const before = now()
  await waitFor(`${count} more lines of a ${kind}`, () => now() >= before + count, TIMEOUT_MS)
}
