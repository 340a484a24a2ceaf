// A cluster with Sluice installed as the README tells users, and what tests ask of it.
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { run } from '../../../scripts/command.ts'
import { buildImage } from '../../../scripts/image/build.ts'
import { root } from '../../../scripts/tools.ts'
import { waitFor } from '../../../src/lab/process/wait.ts'
import { createOwnedCluster, type OwnedCluster } from './owned-cluster.ts'

export const minuteMs = 60_000
export const own = 'sluice-system'
const chart = join(root, 'deploy/daemonset')

export interface Mesh extends OwnedCluster {
  readonly image: string
  helm(...args: readonly string[]): Promise<string>
  /** Names of its pods that are to stay, by node. */
  proxies(): Promise<ReadonlyMap<string, string>>
  /** Sum of a metric over all nodes. @param name with labels, as it is written there */
  metric(name: string): Promise<number>
  /** Lines of all nodes' metrics that begin so. */
  metricLines(start: string): Promise<readonly string[]>
  /** GET on a port of a pod, by way of the API server. @param pod `namespace/name` */
  fetchPod(pod: string, port: number, path: string): Promise<string>
  /** Waits until those pods are in the mesh, as their nodes' proxies say, and no other ones. */
  enrolled(namespace: string, pods: readonly string[]): Promise<void>
  /** A JSON answer of kubectl. */
  objects<T>(...args: readonly string[]): Promise<T>
}

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly deletionTimestamp?: string }
    readonly spec: { readonly nodeName?: string }
  }[]
}

/** @param name of the cluster */
export async function createMesh(name: string, settings: readonly string[]): Promise<Mesh> {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-mesh-'))
  try {
    const [cluster, image] = await Promise.all([
      createOwnedCluster(name),
      buildImage(join(scratch, 'image.tar')),
    ])
    await cluster.load(image.file)
    const mesh = openMesh(cluster, image.name)
    const where = ['--namespace', own, '--create-namespace', '--wait', '--timeout', '5m']
    await mesh.helm('install', 'sluice', chart, ...where, ...settings)
    return mesh
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** The chart again, with what was set and something new. */
export async function upgrade(mesh: Mesh, ...settings: readonly string[]): Promise<void> {
  const flags = ['--namespace', own, '--reuse-values', '--wait', '--timeout', '5m']
  await mesh.helm('upgrade', 'sluice', chart, ...flags, ...settings)
}

export function openMesh(cluster: OwnedCluster, image: string): Mesh {
  const fetchApi = apiOf(cluster.kubeconfig)
  const fetchPod: Mesh['fetchPod'] = async (pod, port, path) => {
    const [namespace, name] = pod.split('/')
    return fetchApi(`/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy${path}`)
  }
  const objects: Mesh['objects'] = async <T>(...args: readonly string[]) =>
    JSON.parse(await cluster.kubectl(['get', ...args, '-o', 'json'])) as T
  const proxies = async () => {
    const label = 'app.kubernetes.io/component=nodeproxy'
    const path = `/api/v1/namespaces/${own}/pods`
    const { items } = JSON.parse(await fetchApi(`${path}?labelSelector=${label}`)) as PodList
    const staying = items.filter(({ metadata }) => metadata.deletionTimestamp === undefined)
    return new Map(staying.map(({ metadata, spec }) => [spec.nodeName ?? '', metadata.name]))
  }
  const metricLines: Mesh['metricLines'] = async (start) => {
    const names = [...(await proxies()).values()]
    const pages = await Promise.all(
      names.map((one) => fetchPod(`${own}/${one}`, 15020, '/metrics')),
    )
    return pages.flatMap((page) => page.split('\n').filter((line) => line.startsWith(start)))
  }
  const metric: Mesh['metric'] = async (name) => {
    const lines = await metricLines(name)
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }
  return {
    ...cluster,
    image,
    objects,
    proxies,
    metric,
    metricLines,
    fetchPod,
    helm: async (...args) => {
      const env = { KUBECONFIG: cluster.kubeconfig }
      return run([join(cluster.bin, 'helm'), ...args], { env, timeoutMs: 6 * minuteMs })
    },
    enrolled: async (namespace, pods) => {
      const wanted = [...pods].sort()
      const same = async () => {
        const lines = await metricLines(`sluice_pod_connections{namespace="${namespace}"`)
        const names = lines.map((line) => /pod="([^"]*)"/.exec(line)?.[1] ?? line)
        assert.deepEqual(names.sort(), wanted)
        return true
      }
      await waitFor(`${wanted.length} pods of ${namespace} to be enrolled`, same, 4 * minuteMs)
    },
  }
}

interface KubeConfigFile {
  readonly clusters: readonly {
    readonly cluster: { readonly server: string; readonly 'certificate-authority-data': string }
  }[]
  readonly users: readonly { readonly user: { readonly token: string } }[]
}

/** @returns what fetches a path of the API server as text */
function apiOf(kubeconfig: string): (path: string) => Promise<string> {
  const { clusters, users } = JSON.parse(readFileSync(kubeconfig, 'utf8')) as KubeConfigFile
  const at = clusters[0]?.cluster
  const ca = Buffer.from(at?.['certificate-authority-data'] ?? '', 'base64')
  const headers = { authorization: `Bearer ${users[0]?.user.token}` }
  return async (path) => {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const url = `${at?.server}${path}`
    const call = request(url, { ca, headers, agent: false, timeout: minuteMs }, resolve)
    call.on('timeout', () => call.destroy(new Error(`GET ${path}: no answer in time`)))
    call.on('error', reject).end()
    const answer = await promise
    const text = await textOf(answer)
    if (answer.statusCode === 200) return text
    throw new Error(`GET ${path}: ${answer.statusCode} ${text.slice(0, 300)}`)
  }
}
