import { isStatus, type KubeApi } from '../kube/api.ts'

export interface UninstallOptions {
  readonly api: KubeApi
  readonly namespace: string
  /** A DaemonSet whose pods are ready when no pod of their node is in the mesh. */
  readonly withdrawer: NamedObject
  /** A DaemonSet whose pods are ready when their node is clean. */
  readonly cleaner: NamedObject
  /** For all of it. */
  readonly timeoutMs: number
  readonly say: (message: string) => void
  readonly pollMs?: number
}

interface NamedObject {
  readonly metadata: { readonly name: string }
}

interface DaemonSet {
  readonly metadata: { readonly generation: number }
  readonly status?: {
    readonly observedGeneration?: number
    readonly desiredNumberScheduled?: number
    readonly numberReady?: number
  }
}

/**
 * Takes the mesh off every node, and then the operator with what it made. First every pod leaves
 * the mesh, on each node by the word of its proxy: new connections go direct from then on, whatever
 * the failure mode. Then proxies end, and drain: one that runs would put hooks back. May be run
 * again after it failed.
 *
 * @throws Error that says what was waited for, and how far it came, when the time is over
 */
export async function uninstallCluster(options: UninstallOptions): Promise<void> {
  const { api, namespace, say } = options
  const deadline = performance.now() + options.timeoutMs
  const wait = { deadline, pollMs: options.pollMs ?? 500 }
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const sets = `${apps}/daemonsets`

  say('taking all pods out of the mesh')
  await onEveryNode(options.withdrawer, 'all nodes to have no pod in the mesh')
  say('ending the proxies; their connections have the time to drain')
  await remove(api, `${sets}/sluice-nodeproxy`, wait)
  say('cleaning the nodes')
  await onEveryNode(options.cleaner, 'all nodes to be clean')
  say('ending the operator')
  await remove(api, `${apps}/deployments/sluice-operator`, wait)
  const core = `/api/v1/namespaces/${namespace}`
  const made = [
    `${core}/secrets/sluice-serving-ca`,
    `${core}/configmaps/sluice-ca`,
    `/apis/coordination.k8s.io/v1/namespaces/${namespace}/leases/sluice-operator`,
  ]
  for (const path of made) await removeIfThere(api, path)
  say('every node is clean')

  async function onEveryNode(set: NamedObject, what: string): Promise<void> {
    const path = `${sets}/${set.metadata.name}`
    // Of an attempt before this one: what it did may have been undone since.
    await remove(api, path, wait)
    await api.call({ method: 'POST', path: sets, body: set })
    await until(what, wait, async () => progressOf((await api.call({ path })) as DaemonSet))
    await remove(api, path, wait)
  }
}

interface Wait {
  readonly deadline: number
  readonly pollMs: number
}

/** Gone with its pods: it stays until they have ended. */
async function remove(api: KubeApi, path: string, wait: Wait): Promise<void> {
  const name = path.split('/').at(-1) ?? ''
  await removeIfThere(api, path, { propagationPolicy: 'Foreground' })
  await until(`${name} to end`, wait, async () => {
    try {
      await api.call({ path })
      return 'its pods still run'
    } catch (error) {
      if (isStatus(error, 404)) return undefined
      throw error
    }
  })
}

async function removeIfThere(api: KubeApi, path: string, body?: object): Promise<void> {
  try {
    await api.call({ method: 'DELETE', path, ...(body === undefined ? {} : { body }) })
  } catch (error) {
    if (!isStatus(error, 404)) throw error
  }
}

/** Undefined: done. */
function progressOf({ metadata, status = {} }: DaemonSet): string | undefined {
  const { observedGeneration = 0, desiredNumberScheduled = 0, numberReady = 0 } = status
  if (observedGeneration < metadata.generation) return 'its controller has not seen it yet'
  if (numberReady >= desiredNumberScheduled) return undefined
  return `${numberReady} of ${desiredNumberScheduled} are`
}

/** @param progress undefined when it is so; else how far it came */
async function until(
  what: string,
  { deadline, pollMs }: Wait,
  progress: () => Promise<string | undefined>,
): Promise<void> {
  for (;;) {
    const found = await progress().catch((error: unknown) => {
      const cause = error instanceof Error ? error.message : String(error)
      return `the API server says: ${cause}`
    })
    if (found === undefined) return
    if (performance.now() > deadline) {
      throw new Error(
        `waited in vain for ${what}: ${found}; look for pods that do not start, give more time ` +
          'by uninstall.timeoutSeconds, or go without by `helm uninstall --no-hooks`',
      )
    }
    await new Promise((resolve) => setTimeout(resolve, pollMs))
  }
}
