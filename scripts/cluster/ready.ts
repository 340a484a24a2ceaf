import { waitFor } from '../../src/lab/process/wait.ts'
import { controlServices } from './control-plane.ts'
import type { Kubectl } from './kubectl.ts'
import { nodeServices } from './node-services.ts'
import { enterArgv, logTail, type Place, serviceProcess } from './place.ts'
import { run } from '../command.ts'

/** Long enough for a machine that is busy with other things. */
const TIMEOUT_MS = 180_000
/** From its start to its program's name: a shell, nsenter, the program. */
const START_TIMEOUT_MS = 30_000

export async function containerdReady(node: Place): Promise<void> {
  const argv = enterArgv(node, ['/run/parts/ctr', '--connect-timeout=1s', 'version'])
  await untilReady(node, 'containerd', async () => (await run(argv)) !== '')
}

export async function serverReady(control: Place, kubectl: Kubectl): Promise<void> {
  const ask = async () => (await kubectl(['get', '--raw', '/readyz'])) === 'ok'
  await untilReady(control, 'kube-apiserver', ask)
}

/**
 * Waits until the kubelet says so, which it does once it has a pod network and a runtime.
 * @param since the kubelet was heard of after that: until it is missed, the API server goes on
 * saying what it last heard
 */
export async function nodeReady(node: Place, kubectl: Kubectl, since = new Date(0)): Promise<void> {
  const name = node.machine
  const ready = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
  const lease = ['--namespace=kube-node-lease', '-o', 'jsonpath={.spec.renewTime}']
  await untilReady(node, 'kubelet', async () => {
    const heard = new Date(await kubectl(['get', 'lease', name, ...lease]))
    if (!(heard > since)) return false
    return (await kubectl(['get', 'node', name, '-o', ready])) === 'True'
  })
}

/** @throws Error with the end of the log of a service that ended by itself */
export function allRun(place: Place): void {
  for (const service of place.isNode ? nodeServices : controlServices) {
    if (serviceProcess(place, service) === undefined) throw ended(place, service)
  }
}

export async function deploymentReady(kubectl: Kubectl, namespace: string, name: string) {
  const args = ['rollout', 'status', `deployment/${name}`, `--namespace=${namespace}`]
  try {
    await kubectl([...args, `--timeout=${TIMEOUT_MS / 1000}s`], { timeoutMs: TIMEOUT_MS + 10_000 })
  } catch (error) {
    const pods = await kubectl(['describe', 'pods', `--namespace=${namespace}`])
    const events = pods.split('\n').filter((line) => /Warning|^Name:/.test(line))
    throw new Error(`${namespace}/${name} does not become ready: ${events.join('\n')}`, {
      cause: error,
    })
  }
}

/** @throws Error with the end of the service's log when it ends, or is not ready in time */
async function untilReady(
  place: Place,
  service: string,
  ask: () => Promise<boolean>,
): Promise<void> {
  const what = `${service} of ${place.machine}`
  let seen = false
  const started = performance.now()
  try {
    const end = await waitFor(
      what,
      async () => {
        const alive = serviceProcess(place, service) !== undefined
        const late = performance.now() - started > START_TIMEOUT_MS
        if (!alive && (seen || late)) return 'ended'
        seen ||= alive
        return (await ask()) && 'ready'
      },
      TIMEOUT_MS,
    )
    if (end === 'ready') return
  } catch (error) {
    throw new Error(`${what} is not ready; its log ends with:\n${logTail(place, service)}`, {
      cause: error,
    })
  }
  throw ended(place, service)
}

function ended(place: Place, service: string): Error {
  const what = `${service} of ${place.machine}`
  return new Error(`${what} ended by itself; its log ends with:\n${logTail(place, service)}`)
}
