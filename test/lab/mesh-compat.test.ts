// The mesh breaks no app: real programs that use their sockets in all the ways a sockhash could
// disturb, each as client and as server, near and far, in every mode of acceleration, every byte
// compared. The same pairs run outside the mesh first, so that what fails there is not blamed on
// the mesh. One set of pods goes through all modes, as a namespace does whose annotation changes.
import assert from 'node:assert/strict'
import test from 'node:test'
import type { LabPod } from '../../src/lab/pod.ts'
import type { FeatureState, LoadReport } from '../../src/nodeproxy/kernel/kernel.ts'
import {
  echoPrograms,
  type Program,
  type Relay,
  relays,
  startRelay,
  startServer,
} from './support/echo-programs.ts'
import { createMeshWorld, type MeshWorld, type Mode, type Trio } from './support/mesh-world.ts'
import { httpPrograms, serviceOfTheirOwn, UPLOAD_PORT } from './support/service-programs.ts'

const soak = process.env['SLUICE_SOAK'] === '1'
const BYTES = soak ? 20_000_000 : 1_000_000
const COUNT = soak ? 30 : 3
const FIRST_PORT = 7400
const RUN_TIMEOUT_MS = 120_000
const TEACHING_TIMEOUT_MS = 10_000
const NO_TRACEPOINTS = 'kernel: no tracepoints of system calls'
/** As pino writes it. */
const WARN = 40
const REFERENCE = 'python asyncio'

/** One thing to try: `program` runs in the client's pod against what listens there. */
interface Pairing {
  readonly name: string
  readonly program: Program
  readonly address: string
  readonly port: number
  readonly splices: boolean
  readonly receivesFirst: boolean
  readonly asksFionread: boolean
  readonly turnsBlocking: boolean
}

type Server = Pick<Program, 'name' | 'splices' | 'asksFionread' | 'turnsBlocking'> &
  Pick<Relay, 'receivesFirst'>

interface Result {
  readonly ok: number
  readonly failed: number
  readonly errors: readonly string[]
}

async function run(
  client: LabPod,
  { program, address, port }: Pairing,
  count: number,
  timeoutMs = RUN_TIMEOUT_MS,
) {
  const argv = program.run?.(address, port, BYTES, count)
  assert.ok(argv, `${program.name} is no client`)
  const done = await client.exec(argv, { check: false, timeoutMs })
  const how = done.status ?? done.signal
  assert.equal(done.status, 0, `${program.name} ended with ${how}: ${done.stderr}`)
  const result = JSON.parse(done.stdout) as Result
  assert.deepEqual([result.ok, result.failed], [count, 0], result.errors.join('; '))
}

/** Gives out ports, each to one server of all. */
type Ports = () => number

function countedPorts(first: number): Ports {
  let next = first
  return () => next++
}

/** Clients against a server; named by both. */
function against(
  pod: LabPod,
  server: Server,
  port: number,
  clients: readonly Program[],
): Pairing[] {
  return clients.map((program) => ({
    name: `${pod.name}: ${program.name} -> ${server.name}`,
    program,
    address: pod.addresses.v4,
    port,
    splices: program.splices === true || server.splices === true,
    receivesFirst: server.receivesFirst === true,
    asksFionread: server.asksFionread === true,
    turnsBlocking: program.turnsBlocking === true || server.turnsBlocking === true,
  }))
}

/**
 * Every program as a client of the reference, and the reference as a client of every program, each
 * relay on either side.
 */
async function startEchoes(trio: Trio, server: LabPod, ports: Ports): Promise<Pairing[]> {
  const programs = echoPrograms()
  const reference = programs.find(({ name }) => name === REFERENCE)
  assert.ok(reference)
  const clients = programs.filter(({ name }) => soak || name === REFERENCE)
  const pairings: Pairing[] = []
  const backend = ports()
  await startServer(server, reference, backend)
  pairings.push(...against(server, reference, backend, programs))
  for (const program of programs.filter((one) => one !== reference)) {
    const port = ports()
    await startServer(server, program, port)
    pairings.push(...against(server, program, port, clients))
  }
  for (const relay of relays()) {
    const port = ports()
    await startRelay(server, relay, port, { address: '127.0.0.1', port: backend })
    pairings.push(...against(server, relay, port, clients))
    pairings.push(await startNearClient(trio, server, relay, ports(), backend, reference))
  }
  return pairings
}

/** The relay as a client: it runs in the client's pod, and is asked over loopback there. */
async function startNearClient(
  trio: Trio,
  server: LabPod,
  relay: Relay,
  port: number,
  backend: number,
  program: Program,
): Promise<Pairing> {
  await startRelay(trio.client, relay, port, { address: server.addresses.v4, port: backend })
  const [plain] = against(server, relay, port, [program])
  assert.ok(plain)
  const name = `${server.name}: ${relay.name} -> ${program.name}`
  return { ...plain, name, address: '127.0.0.1' }
}

async function startServices(server: LabPod, ports: Ports): Promise<Pairing[]> {
  const pairings: Pairing[] = []
  const programs = httpPrograms(BYTES)
  for (const [index, program] of programs.filter(({ serve }) => serve).entries()) {
    const port = index === 0 ? UPLOAD_PORT : ports()
    await startServer(server, program, port)
    const clients = programs.filter((one) => one.run !== undefined)
    pairings.push(...against(server, program, port, clients))
  }
  for (const program of serviceOfTheirOwn()) {
    const port = ports()
    await startServer(server, program, port)
    pairings.push(...against(server, program, port, [program]))
  }
  return pairings
}

async function startAll(trio: Trio): Promise<readonly Pairing[]> {
  const ports = countedPorts(FIRST_PORT)
  const all = [trio.near, trio.far].map(async (server) => [
    ...(await startServices(server, ports)),
    ...(await startEchoes(trio, server, ports)),
  ])
  // `full` remembers these of a whole container: nothing after them would be accelerated.
  const last = ({ splices, turnsBlocking }: Pairing) => (splices ? 2 : Number(turnsBlocking))
  return (await Promise.all(all)).flat().sort((a, b) => last(a) - last(b))
}

async function enter(world: MeshWorld, trio: Trio, mode: Mode) {
  await world.lab.annotateNamespace(trio.namespace, {
    'sluice.dev/enroll': 'true',
    'sluice.dev/accelerate': mode,
  })
  await world.mesh.waitEnrolled([trio.client, trio.near, trio.far])
}

/** Which of the two that only `full` with all its parts needs are on: see docs/kernels.md. */
async function featuresOf({ mesh }: MeshWorld) {
  const { body } = await mesh.proxyOn('node1').admin('/?format=json')
  const { features } = JSON.parse(body) as LoadReport
  const on = (name: FeatureState['name']) => features.some((one) => one.name === name && one.on)
  return { auto: on('acceleration auto'), tracepoints: on('tracepoints') }
}

/** Why a program that `full` may harm cannot be tried; false where it can. */
function unsuited(
  { asksFionread, splices, turnsBlocking }: Pairing,
  { auto, tracepoints }: Awaited<ReturnType<typeof featuresOf>>,
): string | false {
  if (asksFionread && !auto) return 'kernel: FIONREAD leaves out bytes of sockets in a sockhash'
  return (splices || turnsBlocking) && !tracepoints && NO_TRACEPOINTS
}

async function verdicts({ mesh }: MeshWorld) {
  const names = ['verdictToLeg', 'verdictToApp', 'verdictDirect'] as const
  const [toLeg = 0, toApp = 0, direct = 0] = await Promise.all(
    names.map((name) => mesh.counter(name)),
  )
  return { toLeg, toApp, direct }
}

/** Whether the kernel moved bytes in the ways of the mode, and in no other. */
async function checkVerdicts(
  world: MeshWorld,
  mode: Mode | undefined,
  auto: boolean,
  before: Awaited<ReturnType<typeof verdicts>>,
) {
  const now = await verdicts(world)
  const moved = [now.toLeg > before.toLeg, now.toApp > before.toApp, now.direct > before.direct]
  const full = mode === 'full'
  assert.deepEqual(moved, [full || (mode === 'auto' && auto), full, full])
}

/** The client's container was left out for its blocking sockets before it came to splice. */
async function checkUnsuitedAreTold({ mesh }: MeshWorld, { client, near, far }: Trio) {
  for (const [pod, why] of [
    [client, /turns its sockets blocking .*ask for 'auto'/u],
    [near, /reads by splice\(2\).*ask for 'auto'/u],
    [far, /reads by splice\(2\).*ask for 'auto'/u],
  ] as const) {
    const proxy = mesh.proxyOn(pod.node.name)
    const status = (await proxy.podStatus()).find(({ uid }) => uid === pod.uid)
    assert.match(status?.notAccelerated ?? '', why, pod.name)
  }
  for (const pod of [near, far]) {
    const proxy = mesh.proxyOn(pod.node.name)
    const warned = proxy.logs().some((line) => line['pod'] === pod.name && line['level'] === WARN)
    assert.ok(warned, `no warning names ${pod.name}`)
    const metrics = await proxy.metrics()
    assert.ok(metrics.sum('sluice_kernel_events_total', { event: 'splice_user' }) > 0)
  }
}

test('programs that must not notice the mesh', async (t) => {
  await using world = await createMeshWorld({ accessLog: 0 })
  const trio = await world.addTrio('compat', undefined)
  const pairings = await startAll(trio)
  const features = await featuresOf(world)
  let redirected = await world.mesh.redirected()
  for (const mode of [undefined, 'off', 'auto', 'full'] as const) {
    if (mode !== undefined) await enter(world, trio, mode)
    const before = await verdicts(world)
    for (const pairing of pairings) {
      const skip = mode === 'full' && unsuited(pairing, features)
      await t.test(`${mode ?? 'no mesh'}, ${pairing.name}`, { skip }, async () => {
        // The first connections may see EAGAIN or hang, and teach: docs/troubleshooting.md.
        if (mode === 'full' && (pairing.turnsBlocking || pairing.receivesFirst))
          await run(trio.client, pairing, 1, TEACHING_TIMEOUT_MS).catch(() => {})
        await run(trio.client, pairing, COUNT)
        const before = redirected
        redirected = await world.mesh.redirected()
        if (mode === undefined) assert.equal(redirected, before)
        else assert.ok(redirected > before, 'it was not in the mesh')
      })
    }
    await t.test(`${mode ?? 'no mesh'}: bytes went as the mode says`, () =>
      checkVerdicts(world, mode, features.auto, before),
    )
  }
  const skip = !features.tracepoints && NO_TRACEPOINTS
  await t.test('full: whose programs it does not suit is told', { skip }, () =>
    checkUnsuitedAreTold(world, trio),
  )
})
