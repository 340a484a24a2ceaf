import { isStatus, type KubeApi } from '../kube/api.ts'

export interface UninstallOptions {
  readonly api: KubeApi
  readonly namespace: string
  /** A DaemonSet whose pods are ready when their node is clean. */
  readonly cleaner: { readonly metadata: { readonly name: string } }
  /** For all of it. */
  readonly timeoutMs: number
  readonly say: (message: string) => void
  readonly pollMs?: number
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
 * Takes the mesh off every node, and then the operator with what it made. Proxies end first, and
 * drain: one that runs would put hooks back. May be run again after it failed.
 *
 * @throws Error that says what was waited for, and how far it came, when the time is over
 */
export async function uninstallCluster(options: UninstallOptions): Promise<void> {
  const { api, namespace, cleaner, say } = options
  const deadline = performance.now() + options.timeoutMs
  const wait = { deadline, pollMs: options.pollMs ?? 500 }
  const apps = `/apis/apps/v1/namespaces/${namespace}`
  const cleanerPath = `${apps}/daemonsets/${cleaner.metadata.name}`

  say('ending the proxies; their connections have the time to drain')
  await remove(api, `${apps}/daemonsets/sluice-nodeproxy`, wait)
  // Of an attempt before this one: it may have been done while proxies still ran.
  await remove(api, cleanerPath, wait)
  say('cleaning the nodes')
  await api.call({ method: 'POST', path: `${apps}/daemonsets`, body: cleaner })
  await until('all nodes to be clean', wait, async () =>
    progressOf((await api.call({ path: cleanerPath })) as DaemonSet),
  )
  await remove(api, cleanerPath, wait)
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
