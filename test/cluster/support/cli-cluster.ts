// A cluster, the command asked about it, and what only the cluster itself can say.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '../../../scripts/image/build.ts'
import { waitFor } from '../../../src/lab/process/wait.ts'
import type { PodRow } from '../../../src/model/status.ts'
import { type Ran, type RunningCli, startCli } from './cli.ts'
import { createOwnedCluster, type OwnedCluster } from './owned-cluster.ts'

export const minuteMs = 60_000
export const own = 'sluice-system'

/** What the client of objectsOfShop has counted. */
export interface Counts {
  readonly good: number
  readonly failed: number
  readonly resets: number
}

export interface CliCluster extends OwnedCluster {
  readonly image: string
  /** A folder that goes with the cluster. */
  readonly scratch: string
  startSluice(...args: readonly string[]): RunningCli
  sluice(...args: readonly string[]): Promise<Ran>
  /** What `sluice status` says of the namespace shop, by name. */
  podsOfShop(): Promise<ReadonlyMap<string, PodRow>>
  /** Messages of the Events of that object. */
  eventsOf(name: string, reason: string): Promise<readonly string[]>
  /** Waits for the first of them. */
  event(name: string, reason: string): Promise<string>
  /** Inside of a pod, by its own Node. @param pod `namespace/name` */
  inside(pod: string, script: string): Promise<string>
  counts(): Promise<Counts>
  /** Waits until that many more connections of the client succeeded; none may fail. */
  trafficGoesOn(number: number): Promise<void>
  /** The pod of the node's proxy, as `namespace/name`. */
  proxyOn(node: string): Promise<string>
}

export async function createCliCluster(name: string): Promise<CliCluster> {
  const scratch = mkdtempSync(join(tmpdir(), 'sluice-cli-'))
  const [cluster, image] = await Promise.all([
    createOwnedCluster(name),
    buildImage(join(scratch, 'image.tar')),
  ])
  await cluster.load(image.file)
  const close = async () => {
    await cluster.close()
    rmSync(scratch, { recursive: true, force: true })
  }
  const startSluice: CliCluster['startSluice'] = (...args) =>
    startCli(args, { KUBECONFIG: cluster.kubeconfig })
  const sluice: CliCluster['sluice'] = async (...args) => startSluice(...args).ended
  const made = { ...cluster, close, image: image.name, scratch, startSluice, sluice }
  return { ...made, ...questionsTo(cluster, sluice) }
}

type Questions = Pick<
  CliCluster,
  'podsOfShop' | 'eventsOf' | 'event' | 'inside' | 'counts' | 'trafficGoesOn' | 'proxyOn'
>

function questionsTo({ kubectl }: OwnedCluster, sluice: CliCluster['sluice']): Questions {
  const podsOfShop: Questions['podsOfShop'] = async () => {
    const { stdout, stderr, status } = await sluice('status', '-n', 'shop', '-o', 'json')
    assert.equal(status, 0, stderr)
    const { pods } = JSON.parse(stdout) as { readonly pods: readonly PodRow[] }
    return new Map(pods.map((pod) => [pod.name, pod]))
  }
  const eventsOf: Questions['eventsOf'] = async (name, reason) => {
    const selector = `--field-selector=involvedObject.name=${name},reason=${reason}`
    const path = ['get', 'events', '--all-namespaces', selector, '-o', 'json']
    const { items } = JSON.parse(await kubectl(path)) as {
      readonly items: readonly { readonly message: string }[]
    }
    return items.map(({ message }) => message)
  }
  const inside: Questions['inside'] = async (pod, script) => {
    const [namespace = '', name = ''] = pod.split('/')
    const command = [name, '--', '/usr/bin/node', '--eval', script]
    return kubectl(['exec', `--namespace=${namespace}`, ...command], { timeoutMs: 3 * minuteMs })
  }
  const counts: Questions['counts'] = async () => {
    const script = `fetch('http://127.0.0.1:8081').then((a) => a.text()).then(console.log)`
    return JSON.parse(await inside('shop/client', script)) as Counts
  }
  return {
    podsOfShop,
    eventsOf,
    inside,
    counts,
    event: async (name, reason) => {
      const first = async () => (await eventsOf(name, reason))[0]
      return waitFor(`the Event of ${name}`, first, 2 * minuteMs)
    },
    trafficGoesOn: async (number) => {
      const first = await counts()
      const more = async () => {
        const now = await counts()
        return now.good >= first.good + number && now
      }
      const last = await waitFor(`${number} connections`, more, 2 * minuteMs)
      assert.equal(last.failed, first.failed)
    },
    proxyOn: async (node) => {
      const label = '--selector=app.kubernetes.io/component=nodeproxy'
      const which = [`--namespace=${own}`, label, `--field-selector=spec.nodeName=${node}`]
      const names = 'jsonpath={.items[*].metadata.name}'
      const found = await kubectl(['get', 'pods', ...which, '-o', names])
      return `${own}/${found.split(' ')[0]}`
    },
  }
}
