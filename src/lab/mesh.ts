import type { PodStatus } from '../nodeproxy/agent/pod-status.ts'
import { type ConfigServer, serveConfig } from './config-server.ts'
import type { MeshSettings } from '../model/resources.ts'
import type { Lab } from './lab.ts'
import { type LabNodeProxy, type NodeProxyOptions, startNodeProxy } from './node-proxy.ts'
import type { LabPod } from './pod.ts'
import { waitFor } from './process/wait.ts'

export interface MeshOptions extends NodeProxyOptions {
  readonly settings?: Partial<Omit<MeshSettings, 'type'>>
}

/** Sluice on every node of a lab, fed with the lab's objects. */
export interface Mesh extends AsyncDisposable {
  readonly proxies: readonly LabNodeProxy[]
  readonly config: ConfigServer
  /** @throws Error when there is none on that node */
  proxyOn(node: string): LabNodeProxy
  /** cgroup folders of the proxies' pods. */
  readonly cgroups: readonly string[]
  /** Process ids of all proxies and keepers. */
  pids(): number[]
  /**
   * Waits until these pods are in the mesh, with the acceleration that their annotations ask for.
   */
  waitEnrolled(pods: readonly LabPod[]): Promise<void>
  /** Waits until they are known and not in it. */
  waitExcluded(pods: readonly LabPod[]): Promise<void>
  /** Connections that were sent to a proxy so far, on all nodes. */
  redirected(): Promise<number>
  /** One counter of the kernel's programs, over all nodes. */
  counter(name: string): Promise<number>
  /** Stops proxies (they drain) and the configuration. */
  stop(): Promise<void>
}

const ENROL_TIMEOUT_MS = 20_000

/** Resolves when all nodes are ready. */
export async function startMesh(lab: Lab, options: MeshOptions = {}): Promise<Mesh> {
  const { settings = {}, ...proxyOptions } = options
  const config = await serveConfig(lab, settings)
  const proxies = await Promise.all(
    lab.nodes.map((node) =>
      startNodeProxy(lab, node, config, { drainSeconds: 1, ...proxyOptions }),
    ),
  )
  await Promise.all(proxies.map((proxy) => proxy.waitReady()))
  const proxyOn = (name: string) => {
    const found = proxies.find(({ node }) => node.name === name)
    if (found === undefined) throw new Error(`there is no proxy on ${name}`)
    return found
  }
  const counter = async (name: string) => {
    const all = await Promise.all(proxies.map((proxy) => proxy.counters()))
    return all.reduce((sum, counters) => sum + (counters[name] ?? 0), 0)
  }
  const waitPods = (pods: readonly LabPod[], what: string, holds: PodCheck) =>
    Promise.all(
      [...Map.groupBy(pods, ({ node }) => node.name)].map(([node, ofNode]) =>
        waitForStatus(proxyOn(node), ofNode, what, holds),
      ),
    )
  const stop = async () => {
    await Promise.all(proxies.map((proxy) => proxy.kill('SIGTERM')))
    await config.close()
  }
  return {
    proxies,
    config,
    proxyOn,
    cgroups: proxies.map(({ pod }) => pod.cgroup),
    pids: () => proxies.flatMap((proxy) => proxy.pids()),
    waitEnrolled: async (pods) => {
      const mode = (pod: LabPod) => wantedAcceleration(lab, pod, config.settings.acceleration)
      await waitPods(
        pods,
        'in the mesh',
        (pod, { state, acceleration }) => state === 'enrolled' && acceleration === mode(pod),
      )
    },
    waitExcluded: async (pods) => {
      await waitPods(pods, 'out of the mesh', (_, { state }) => state === 'excluded')
    },
    redirected: () => counter('connectRedirected'),
    counter,
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

type PodCheck = (pod: LabPod, status: PodStatus) => boolean

async function waitForStatus(
  proxy: LabNodeProxy,
  pods: readonly LabPod[],
  what: string,
  holds: PodCheck,
): Promise<void> {
  await waitFor(
    `${pods.map(({ name }) => name).join(', ')} to be ${what}`,
    async () => {
      const known = new Map((await proxy.podStatus()).map((status) => [status.uid, status]))
      const wrong = pods.find((pod) => {
        const status = known.get(pod.uid)
        return status === undefined || !holds(pod, status)
      })
      if (wrong === undefined) return true
      throw new Error(`${wrong.name}: ${JSON.stringify(known.get(wrong.uid) ?? 'not seen')}`)
    },
    ENROL_TIMEOUT_MS,
  )
}

/** The pod's own annotation, else its namespace's, else the mesh's. */
function wantedAcceleration(lab: Lab, pod: LabPod, preset: string): string {
  const key = 'sluice.dev/accelerate'
  const own = lab.objects.get('Pod', pod.namespace, pod.name)?.metadata.annotations[key]
  const shared = lab.objects.get('Namespace', '', pod.namespace)?.metadata.annotations[key]
  return own ?? shared ?? preset
}
