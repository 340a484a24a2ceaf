// Steady load on a service of an enrolled namespace, from both nodes, and what became of it.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { apply } from '../../../scripts/cluster/kubectl.ts'
import { nodeFolder } from '../../../scripts/cluster/names.ts'
import { waitFor } from '../../../src/lab/process/wait.ts'
import { container, pod, podSpec, programsObject, service } from './apps.ts'
import { type Mesh, minuteMs } from './mesh.ts'
import { podsReady, rolledOut } from './rollout.ts'

export const shop = 'shop'

/** As programs/load.ts writes it. */
export interface Failure {
  readonly startedAt: number
  readonly failedAt: number
  readonly error: string
  readonly node: string
}

interface Slow {
  readonly startedAt: number
  readonly tookMs: number
}

interface Outcome {
  readonly made: number
  readonly good: number
  readonly failures: readonly Failure[]
  readonly slow: readonly Slow[]
  readonly servers: Readonly<Record<string, number>>
  readonly nodes: Readonly<Record<string, number>>
}

const kinds = ['kept', 'fresh'] as const
type Kind = (typeof kinds)[number]

/** By node of the client, and whether it keeps its connections. */
export type Counts = ReadonlyMap<string, Readonly<Record<Kind, Outcome>>>

const folder = '/var/log/sluice-load'
const clientsEach = 2

/** Servers on both nodes behind the service `web`, and a pod of clients on each node. */
export async function startShop(mesh: Mesh): Promise<void> {
  await apply(mesh.kubectl, [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: shop } },
    programsObject(shop),
    service(shop, 'web', { app: 'web' }),
    webObject(mesh.image),
  ])
  await rolledOut(mesh, shop, 'deployment/web')
  // By address, so that a node without the name server of the other one has no other excuse.
  const path = ['--namespace', shop, '-o', 'jsonpath={.spec.clusterIP}']
  const url = `http://${await mesh.kubectl(['get', 'service', 'web', ...path])}`
  await apply(
    mesh.kubectl,
    mesh.nodes.map((node) => clientObject(mesh.image, node, url)),
  )
  await podsReady(mesh, shop)
  await waitFor('the first answers', () => answers(readCounts(mesh), 'fresh') > 0, minuteMs)
}

function webObject(image: string): object {
  const labels = { app: 'web' }
  const spread = {
    maxSkew: 1,
    topologyKey: 'kubernetes.io/hostname',
    whenUnsatisfiable: 'ScheduleAnyway',
    labelSelector: { matchLabels: labels },
  }
  const spec = podSpec([container(image, 'serve')], { topologySpreadConstraints: [spread] })
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', namespace: shop },
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels }, spec },
    },
  }
}

function clientObject(image: string, node: string, url: string): object {
  const loads = kinds.map((name) => ({
    name,
    url,
    clients: clientsEach,
    keepAlive: name === 'kept',
  }))
  const env = { LOADS: JSON.stringify(loads), COUNTS: `${folder}/counts` }
  const mounts = [
    { name: 'programs', mountPath: '/programs' },
    { name: 'counts', mountPath: folder },
  ]
  const spec = podSpec([container(image, 'load', env, { volumeMounts: mounts })], {
    nodeName: node,
    terminationGracePeriodSeconds: 1,
    volumes: [{ name: 'counts', hostPath: { path: folder, type: 'DirectoryOrCreate' } }],
  })
  return pod(shop, `load-${node}`, { app: 'load' }, spec)
}

/** Read from the nodes' disks: it needs nothing that runs. */
export function readCounts(mesh: Mesh): Counts {
  return new Map(
    mesh.nodes.map((node) => {
      const file = join(nodeFolder(mesh.name, node), 'log/sluice-load/counts')
      return [node, JSON.parse(readFileSync(file, 'utf8')) as Record<Kind, Outcome>]
    }),
  )
}

export function answers(counts: Counts, kind: Kind): number {
  return [...counts.values()].reduce((sum, one) => sum + one[kind].good, 0)
}

/** Those that are in the later counts alone. */
export function failuresSince(
  start: Counts,
  end: Counts,
): readonly (Failure & { client: string; kind: Kind })[] {
  return [...end].flatMap(([client, one]) =>
    kinds.flatMap((kind) => {
      const known = start.get(client)?.[kind].failures.length ?? 0
      return one[kind].failures.slice(known).map((failure) => ({ ...failure, client, kind }))
    }),
  )
}

/** Servers that have answered in between. */
export function serversSince(start: Counts, end: Counts): readonly string[] {
  const names = [...end].flatMap(([client, one]) =>
    kinds.flatMap((kind) => {
      const before = start.get(client)?.[kind].servers ?? {}
      const more = ([name, count]: [string, number]) => count > (before[name] ?? 0)
      return Object.entries(one[kind].servers)
        .filter(more)
        .map(([name]) => name)
    }),
  )
  return [...new Set(names)]
}

interface PodNames {
  readonly items: readonly { readonly metadata: { readonly name: string } }[]
}

/** Names of all pods, or of those of an app; those that are ending among them. */
export async function shopPods(mesh: Mesh, app?: string): Promise<readonly string[]> {
  const selector = app === undefined ? [] : ['--selector', `app=${app}`]
  const { items } = await mesh.objects<PodNames>('pods', '--namespace', shop, ...selector)
  return items.map(({ metadata }) => metadata.name)
}

/** The slowest request that began after a time, in milliseconds; 0 when none was slow. */
export function slowest(counts: Counts, kind: Kind, since: number): number {
  const slow = [...counts.values()].flatMap((one) => one[kind].slow)
  return Math.max(
    0,
    ...slow.filter(({ startedAt }) => startedAt >= since).map(({ tookMs }) => tookMs),
  )
}

interface Clients {
  readonly kinds?: readonly Kind[]
  /** Of the clients. */
  readonly nodes?: readonly string[]
}

/** Waits until each client pod has had that many more answers, of each kind of client. */
export async function moreAnswers(mesh: Mesh, count: number, clients: Clients = {}): Promise<void> {
  const { kinds: which = kinds, nodes = mesh.nodes } = clients
  const start = readCounts(mesh)
  const enough = () => {
    const now = readCounts(mesh)
    return nodes.every((node) =>
      which.every((kind) => good(now, node, kind) >= good(start, node, kind) + count),
    )
  }
  // Some ten a second at the least, on a machine with other things to do.
  await waitFor(`${count} more answers of each kind`, enough, 2 * minuteMs + count * 100)
}

/** Answers that new connections from a node have had from servers on a node. */
export function answersOf(counts: Counts, client: string, server: string): number {
  return counts.get(client)?.fresh.nodes[server] ?? 0
}

function good(counts: Counts, node: string, kind: Kind): number {
  return counts.get(node)?.[kind].good ?? 0
}

/**
 * Goes on asking while something happens and a little longer, and checks that nothing failed and
 * that new connections went through the mesh: the kernel's own count of those, which outlives
 * proxies, rises by as many as clients have opened.
 * @param since requests that began before may fail
 */
export async function withoutFailure(
  mesh: Mesh,
  happens: () => Promise<unknown>,
  since = 0,
): Promise<void> {
  const redirected = 'sluice_kernel_events_total{event="connect_redirected"}'
  const kernelStart = await mesh.metric(redirected)
  // Those that the kernel has counted already and that clients have not are not among ours.
  await moreAnswers(mesh, 20)
  const start = readCounts(mesh)
  await happens()
  await moreAnswers(mesh, 20)
  const end = readCounts(mesh)
  const failed = failuresSince(start, end).filter(({ startedAt }) => startedAt >= since)
  assert.deepEqual(failed, [], 'no request failed')
  const connections = answers(end, 'fresh') - answers(start, 'fresh')
  const through = (await mesh.metric(redirected)) - kernelStart
  assert.ok(through >= connections, `${through} of ${connections} new connections went through`)
}
