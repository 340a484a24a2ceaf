// Programs that ask for kernel TLS, with OpenSSL, in pods of a mesh: near and far, in every mode of
// acceleration. Blocking ones are never accelerated and keep what the kernel gives; the sockets of
// those that never block are in the sockhash, and get it refused as by a kernel without: OpenSSL
// encrypts itself then. A kernel that has none refuses all, which is the test without kernel TLS.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import type { LabProcess } from '../../src/lab/process/process.ts'
import { amount } from '../kernel/support/guest.ts'
import { createMeshWorld, type MeshWorld, type Mode, type Trio } from './support/mesh-world.ts'
import { compileKtls } from './support/programs.ts'

type Kind = 'blocking' | 'events'

const BYTES = amount({ usual: 1_000_000, emulated: 100_001 })
/** Turns with TLS 1.2 and 1.3. */
const COUNT = 4
const FIRST_PORT = 7500
const TIMEOUT_MS = amount({ usual: 60_000, emulated: 600_000 })

interface Server {
  readonly name: string
  readonly kind: Kind
  readonly address: string
  readonly port: number
  readonly process: LabProcess
}

/** How many of COUNT connections had the kernel encrypt what the end sends. */
type Encrypted = Readonly<Record<'client' | 'server', number>>

const ktls = compileKtls()
const all: Encrypted = { client: COUNT, server: COUNT }
const none: Encrypted = { client: 0, server: 0 }

async function startServers({ near, far }: Trio): Promise<readonly Server[]> {
  let port = FIRST_PORT
  const start = async (pod: LabPod, kind: Kind): Promise<Server> => {
    const own = port++
    const process = pod.spawn([ktls, kind, 'serve', `${own}`])
    await process.waitForLine(/ready/, TIMEOUT_MS)
    return { name: pod.name, kind, address: pod.addresses.v4, port: own, process }
  }
  const servers = [near, far].flatMap((pod) => [start(pod, 'blocking'), start(pod, 'events')])
  return Promise.all(servers)
}

/** What a server said of its connections, one line each. */
function linesOf({ process }: Server): readonly boolean[] {
  return process.lines().flatMap((line) => {
    const { kernel } = JSON.parse(line) as { kernel?: number }
    return kernel === undefined ? [] : [kernel === 1]
  })
}

/** COUNT connections, every byte compared on its way back. */
async function talk(client: LabPod, kind: Kind, server: Server): Promise<Encrypted> {
  const before = linesOf(server).length
  const argv = [ktls, kind, 'run', server.address, server.port, BYTES, COUNT].map(String)
  const { stdout, stderr } = await client.exec(argv, { timeoutMs: TIMEOUT_MS })
  const { ok, failed, errors, kernel } = JSON.parse(stdout) as {
    readonly ok: number
    readonly failed: number
    readonly errors: readonly string[]
    readonly kernel: number
  }
  const said = `${errors.join('; ')} ${stderr} ${server.process.stderr()}`
  assert.deepEqual([ok, failed], [COUNT, 0], said)
  const lines = linesOf(server).slice(before)
  assert.equal(lines.length, COUNT)
  return { client: kernel, server: lines.filter(Boolean).length }
}

/**
 * Ends that never block are in the sockhash; how a server takes its connections has to be seen
 * first.
 */
function check(seen: Encrypted, client: Kind, server: Kind): void {
  assert.equal(seen.client, client === 'events' ? 0 : COUNT)
  if (server === 'events') assert.ok(seen.server < COUNT, 'its sockets were never accelerated')
  else assert.equal(seen.server, COUNT)
}

async function enter({ lab, mesh }: MeshWorld, trio: Trio, mode: Mode): Promise<void> {
  await lab.annotateNamespace(trio.namespace, {
    'sluice.dev/enroll': 'true',
    'sluice.dev/accelerate': mode,
  })
  await mesh.waitEnrolled([trio.client, trio.near, trio.far])
}

/** Whether the nodes serve the mode. */
async function isServed({ mesh }: MeshWorld, { client }: Trio): Promise<boolean> {
  const status = (await mesh.proxyOn('node1').podStatus()).find(({ uid }) => uid === client.uid)
  assert.ok(status)
  return status.notAccelerated === ''
}

test('programs with kernel TLS do not notice the mesh', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const trio = await world.addTrio('ktls', undefined)
  const servers = await startServers(trio)
  const kinds: readonly Kind[] = ['blocking', 'events']
  const pairings = servers.flatMap((server) => kinds.map((client) => ({ client, server })))
  let hasTls = false
  for (const { client, server } of pairings) {
    await t.test(`no mesh: ${client} -> ${server.kind} ${server.name}`, async () => {
      const seen = await talk(trio.client, client, server)
      hasTls ||= seen.client > 0
      assert.deepEqual(seen, hasTls ? all : none)
    })
  }
  for (const mode of ['off', 'auto', 'full'] as const) {
    await enter(world, trio, mode)
    const accelerated = mode !== 'off' && (await isServed(world, trio))
    const refusedBefore = await world.mesh.counter('sockoptUlpRefused')
    for (const { client, server } of pairings) {
      await t.test(`${mode}: ${client} -> ${server.kind} ${server.name}`, async () => {
        const before = await world.mesh.redirected()
        const seen = await talk(trio.client, client, server)
        assert.ok((await world.mesh.redirected()) >= before + COUNT, 'it was not in the mesh')
        if (hasTls && accelerated) check(seen, client, server.kind)
        else assert.deepEqual(seen, hasTls ? all : none)
      })
    }
    const refused = (await world.mesh.counter('sockoptUlpRefused')) - refusedBefore
    assert.equal(refused > 0, accelerated, `${mode}: ${refused} were refused`)
  }
  const skip = !hasTls && 'kernel: no TLS ULP'
  await t.test('the kernel encrypts where nothing forbids it', { skip }, () => {
    assert.ok(hasTls)
  })
})
