// Replacing parts of a mesh, and killing them.
import assert from 'node:assert/strict'
import { waitFor } from '../../../src/lab/process/wait.ts'
import { type Mesh, minuteMs, own } from './mesh.ts'

export async function rolledOut(mesh: Mesh, namespace: string, what: string): Promise<void> {
  const limit = ['--namespace', namespace, '--timeout=300s']
  await mesh.kubectl(['rollout', 'status', what, ...limit], { timeoutMs: 6 * minuteMs })
}

/** @param pods names, all of the namespace unless there are any */
export async function podsReady(mesh: Mesh, namespace: string, ...pods: readonly string[]) {
  const which = pods.length === 0 ? ['--all'] : pods
  const wait = ['wait', 'pod', ...which, '--namespace', namespace, '--for=condition=Ready']
  await mesh.kubectl([...wait, '--timeout=180s'], { timeoutMs: 4 * minuteMs })
}

/** Waits until every node has another proxy than it had, and the former ones are gone. */
export async function proxiesReplaced(
  mesh: Mesh,
  before: ReadonlyMap<string, string>,
): Promise<void> {
  await rolledOut(mesh, own, 'daemonset/sluice-nodeproxy')
  const former = [...before.values()].map((name) => `pod/${name}`)
  const wait = ['wait', ...former, '--namespace', own, '--for=delete', '--timeout=120s']
  await mesh.kubectl(wait, { timeoutMs: 3 * minuteMs })
  const now = await mesh.proxies()
  assert.equal(now.size, before.size)
  for (const [node, name] of now) assert.notEqual(name, before.get(node))
}

/** Waits until that many nodes are connected to an operator. */
export async function operatorsConnected(mesh: Mesh, nodes: number): Promise<void> {
  await waitFor(
    `${nodes} nodes to be connected to an operator`,
    async () => (await mesh.metric('sluice_config_connected')) === nodes,
    2 * minuteMs,
  )
}

export interface Killed {
  /** When it was dead. */
  readonly at: number
  /** Waits until the kubelet has started it again, and it is ready. */
  restarted(): Promise<void>
}

interface PodWithStatus {
  readonly status: {
    readonly containerStatuses: readonly {
      readonly ready: boolean
      readonly restartCount: number
    }[]
  }
}

/** SIGKILL for the first process of a node's proxy, as when the kernel is out of memory. */
export async function killProxy(mesh: Mesh, node: string): Promise<Killed> {
  const name = (await mesh.proxies()).get(node) ?? ''
  const status = async () => {
    const { status: said } = await mesh.objects<PodWithStatus>('pod', name, '--namespace', own)
    return said.containerStatuses[0]
  }
  const restartsBefore = (await status())?.restartCount ?? 0
  const pid = await processOf(mesh, node, / nodeproxy --node=/)
  await mesh.exec(node, ['kill', '-KILL', pid])
  // Its sockets are closed when it is no process any more.
  await mesh.exec(node, ['sh', '-c', `while [ -e /proc/${pid} ]; do :; done`])
  return {
    at: Date.now(),
    restarted: async () => {
      await waitFor(
        `the container on ${node} to be started again`,
        async () => {
          const now = await status()
          return now !== undefined && now.ready && now.restartCount > restartsBefore
        },
        2 * minuteMs,
      )
    },
  }
}

async function processOf(mesh: Mesh, node: string, pattern: RegExp): Promise<string> {
  const lines = (await mesh.exec(node, ['ps', '-eo', 'pid=,args='])).split('\n')
  const found = lines.filter((line) => pattern.test(line))
  assert.equal(found.length, 1, found.join('\n'))
  return /\d+/.exec(found[0] ?? '')?.[0] ?? ''
}
