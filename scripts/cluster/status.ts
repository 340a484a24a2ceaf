import { readHierarchies } from './cgroups.ts'
import { controlServices } from './control-plane.ts'
import { kubectlOf } from './kubectl.ts'
import { clusterPaths, clustersOnMachine, nodeNames } from './names.ts'
import { nodeServices } from './node-services.ts'
import { findPlace, serviceProcess } from './place.ts'

/** What `status -o json` prints; fields are added, never changed. */
export interface ClusterStatus {
  readonly name: string
  /** Everything runs, and both nodes are Ready. */
  readonly ok: boolean
  readonly kubeconfig: string
  readonly machines: readonly MachineStatus[]
  /** Undefined when the API server does not answer. */
  readonly nodes?: readonly NodeStatus[]
}

interface MachineStatus {
  readonly name: string
  /** Process id on this machine; absent for what does not run. */
  readonly services: readonly { readonly name: string; readonly pid?: number }[]
}

interface NodeStatus {
  readonly name: string
  readonly ready: boolean
  readonly version: string
  readonly addresses: readonly string[]
}

/**
 * @returns undefined when there is no cluster of that name. @throws nothing: a dead part is an
 * answer
 */
export async function clusterStatus(name: string, bin: string): Promise<ClusterStatus | undefined> {
  if (!clustersOnMachine().includes(name)) return undefined
  const machines = ['control', ...nodeNames].map((machine) => machineStatus(name, machine))
  const nodes = await readNodes(name, bin).catch(() => undefined)
  const running = machines.every(({ services }) => services.every(({ pid }) => pid !== undefined))
  const ready = nodes?.length === nodeNames.length && nodes.every((node) => node.ready)
  const { kubeconfig } = clusterPaths(name)
  const known = nodes === undefined ? {} : { nodes }
  return { name, ok: running && ready, kubeconfig, machines, ...known }
}

function machineStatus(cluster: string, machine: string): MachineStatus {
  const place = findPlace(cluster, machine, readHierarchies())
  const names = machine === 'control' ? [...controlServices, 'relay'] : nodeServices
  const services = names.map((name) => {
    const pid = place === undefined ? undefined : serviceProcess(place, name)
    return pid === undefined ? { name } : { name, pid }
  })
  return { name: machine, services }
}

interface NodeObject {
  readonly metadata: { readonly name: string }
  readonly status: {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[]
    readonly addresses?: readonly { readonly type: string; readonly address: string }[]
    readonly nodeInfo?: { readonly kubeletVersion: string }
  }
}

async function readNodes(cluster: string, bin: string): Promise<readonly NodeStatus[]> {
  const text = await kubectlOf(
    cluster,
    bin,
  )(['get', 'nodes', '--output=json', '--request-timeout=5s'])
  const { items } = JSON.parse(text) as { readonly items: readonly NodeObject[] }
  return items.map(({ metadata, status }) => ({
    name: metadata.name,
    ready: status.conditions?.some((one) => one.type === 'Ready' && one.status === 'True') ?? false,
    version: status.nodeInfo?.kubeletVersion ?? '',
    addresses: (status.addresses ?? [])
      .filter(({ type }) => type === 'InternalIP')
      .map(({ address }) => address),
  }))
}

/** For people. */
export function renderStatus(status: ClusterStatus): string {
  const { name, ok, machines, nodes = [], kubeconfig } = status
  const lines = machines.flatMap((machine) => {
    const node = nodes.find((one) => one.name === machine.name)
    const isNode = machine.name !== 'control'
    const state = isNode ? (node?.ready === true ? 'Ready' : 'not Ready') : ''
    const about = [state, node?.version, node?.addresses.join(' ')].filter(Boolean).join(', ')
    const services = machine.services.map((service) =>
      service.pid === undefined
        ? `  × ${service.name}: does not run`
        : `  √ ${service.name} (pid ${service.pid})`,
    )
    return [`${machine.name}${about === '' ? '' : `: ${about}`}`, ...services]
  })
  const head = `cluster ${name}: ${ok ? 'all is well' : 'not well'}`
  return `${[head, ...lines, `kubeconfig: ${kubeconfig}`].join('\n')}\n`
}
