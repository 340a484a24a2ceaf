import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createLab, type Lab } from '../../src/lab/lab.ts'
import { type LabNodeProxy, startNodeProxy } from '../../src/lab/node-proxy.ts'
import type { LabPod } from '../../src/lab/pod.ts'
import { waitFor } from '../../src/lab/process/wait.ts'
import type { Resource } from '../../src/model/resources.ts'
import { compile } from '../../src/operator/compile/compile.ts'
import { grpcDoor, openGrpcDoor } from '../../src/operator/lab/grpc-door.ts'
import { createPublisher } from '../../src/operator/publish/publisher.ts'
import type { StreamObserver } from '../../src/operator/publish/request-stream.ts'
import { openReportBook } from '../../src/operator/report/report-book.ts'
import { buildProgram } from '../l4/world.ts'

/** One real node with three pods in the mesh; this process is its operator. */
export interface NodeWorld extends AsyncDisposable {
  readonly probe: string
  readonly proxy: LabNodeProxy
  readonly client: LabPod
  readonly servers: readonly [LabPod, LabPod]
  publish(upserts: readonly Resource[]): void
  /**
   * Bytes of the heaps of all threads of the proxy, right after a collection, with what they hold
   * outside of these, and with the tables that they share, once.
   */
  heapBytes(): Promise<number>
}

const nodeName = 'node1'
const namespace = 'bench'
const slowMs = 120_000

export async function openNodeWorld(observer: StreamObserver): Promise<NodeWorld> {
  const probe = buildProgram(new URL('probe.c', import.meta.url))
  await using undo = new AsyncDisposableStack()
  const lab = undo.use(await createLab({ nodes: [nodeName], ipv6: false }))
  const place = { namespace, node: nodeName }
  const pods = await lab.addPods(['client', 'a', 'b'].map((name) => ({ ...place, name })))
  const [client, a, b] = pods as [LabPod, LabPod, LabPod]
  await lab.annotateNamespace(namespace, { 'sluice.dev/enroll': 'true' })
  const publisher = createPublisher('bench')
  const folder = join(lab.paths.run, 'operator')
  const server = await openGrpcDoor(folder, publisher, openReportBook(publisher), observer)
  undo.defer(async () => server.close())
  const heaps = join(lab.paths.run, 'heaps')
  mkdirSync(heaps)
  const proxy = await startProxy(lab, folder, heaps)
  undo.defer(async () => void (await proxy.kill('SIGTERM')))
  publisher.replace(compile(lab.objects.list()).resources)
  await proxy.waitReady()
  await waitFor(
    'the pods to be in the mesh',
    async () => {
      const enrolled = (await proxy.podStatus()).filter(({ state }) => state === 'enrolled')
      return pods.every(({ uid }) => enrolled.some((one) => one.uid === uid))
    },
    slowMs,
  )
  const running = undo.move()
  return {
    probe,
    proxy,
    client,
    servers: [a, b],
    publish: (upserts) => publisher.apply({ upserts, removals: [] }),
    heapBytes: async () => restingBytes(heaps, proxy),
    [Symbol.asyncDispose]: async () => running.disposeAsync(),
  }
}

async function startProxy(lab: Lab, folder: string, heaps: string): Promise<LabNodeProxy> {
  const config = { socket: '', grpc: grpcDoor(folder) }
  const preload = new URL('heap-probe.ts', import.meta.url)
  return startNodeProxy(lab, lab.node(nodeName), config, {
    transport: 'grpc',
    workers: 1,
    accessLog: 0,
    drainSeconds: 1,
    env: { NODE_OPTIONS: `--import ${preload.href}`, SLUICE_HEAP_PROBE: heaps },
  })
}

const samples = 6
const sampleMs = 2_500

/** The least of some seconds: what is written to disk meanwhile is in memory as text too. */
async function restingBytes(folder: string, proxy: LabNodeProxy): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let sample = 0; sample < samples; sample += 1) {
    await delay(sampleMs)
    least = Math.min(least, (await heapBytes(folder)) + (await sharedBytes(proxy)))
  }
  return least
}

/** No heap says that it has them. */
async function sharedBytes(proxy: LabNodeProxy): Promise<number> {
  const workers = JSON.parse((await proxy.admin('/connections?format=json')).body) as Readonly<
    Record<string, { readonly tables: { readonly sharedBytes: number } }>
  >
  return workers['worker0']?.tables.sharedBytes ?? 0
}

/** The main thread and one worker. */
const threads = 2

async function heapBytes(folder: string): Promise<number> {
  writeFileSync(join(folder, 'ask'), '')
  const answers = await waitFor(
    'the heaps of the proxy',
    () => {
      const said = readdirSync(folder).filter((name) => name.startsWith('thread-'))
      const sizes = said.map((name) => Number(readFileSync(join(folder, name), 'utf8')))
      return sizes.length >= threads && sizes.every((size) => size > 0) ? sizes : undefined
    },
    slowMs,
  )
  rmSync(join(folder, 'ask'))
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  if (existsSync(join(folder, 'ask'))) throw new Error('the question about heaps stays')
  return answers.reduce((sum, size) => sum + size, 0)
}
