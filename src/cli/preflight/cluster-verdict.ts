import type { Cluster } from '../cluster/cluster.ts'
import { listAll } from '../cluster/list.ts'
import { type DaemonSet, isReady, type KubeNode, nodeProxySelector } from '../cluster/objects.ts'
import { askNodes } from './ask-nodes.ts'
import { isBad, type NodeAnswer, unanswered } from './node-answer.ts'
import { makeNamespace, removeNamespace, waitForAccount } from './probe-namespace.ts'

/** What all nodes say; `sluice preflight --cluster -o json` prints exactly this. */
export interface ClusterVerdict {
  /** True when every node on which Sluice is to run has said that it can. */
  readonly ok: boolean
  readonly image: string
  readonly nodes: readonly NodeAnswer[]
}

export interface ClusterPreflight {
  /** Undefined: that of the DaemonSet, if there is one, else the preset. */
  readonly image: string | undefined
  readonly presetImage: string
  readonly sluiceNamespace: string
  readonly kubepods: string | undefined
  readonly timeoutMs: number
  readonly nowMs: number
  readonly signal: AbortSignal
}

/** Leaves nothing behind, also when the signal is raised. @throws Error as askNodes does */
export async function clusterVerdict(
  cluster: Cluster,
  options: ClusterPreflight,
): Promise<ClusterVerdict> {
  const { timeoutMs, kubepods, signal } = options
  const image = options.image ?? (await installedImage(cluster, options))
  const known = (await listAll<KubeNode>(cluster, '/api/v1/nodes')).map(beforeAsking)
  const names = known.filter((one) => typeof one === 'string')
  const probe = { image, timeoutMs, ...(kubepods === undefined ? {} : { kubepods }) }
  const answers = new Map<string, NodeAnswer>()
  if (names.length > 0) {
    const namespace = await makeNamespace(cluster, options.nowMs)
    try {
      await waitForAccount(cluster, namespace, signal)
      for (const answer of await askNodes(cluster, names, { ...probe, namespace, signal })) {
        answers.set(answer.node, answer)
      }
    } finally {
      await removeNamespace(cluster, namespace)
    }
  }
  const nodes = known.flatMap((one) => (typeof one === 'string' ? (answers.get(one) ?? []) : one))
  return { ok: nodes.length > 0 && !nodes.some(isBad), image, nodes }
}

/** Its name where it is to be asked; else what is to be said of it already. */
function beforeAsking(node: KubeNode): string | NodeAnswer {
  const name = node.metadata?.name ?? ''
  const system = node.metadata?.labels?.['kubernetes.io/os'] ?? 'linux'
  if (system !== 'linux') {
    const error = `it runs ${system}: Sluice is for Linux`
    return { node: name, answered: false, wanted: false, error, hint: '' }
  }
  if (isReady(node)) return name
  const ready = node.status?.conditions?.find(({ type }) => type === 'Ready')
  const why = ready?.message ?? 'its kubelet has said nothing yet'
  return unanswered(name, `it cannot be reached: it is not Ready: ${why}`, 'ask again once it is')
}

async function installedImage(
  cluster: Cluster,
  { sluiceNamespace, presetImage }: ClusterPreflight,
): Promise<string> {
  const path = `/apis/apps/v1/namespaces/${sluiceNamespace}/daemonsets`
  const query = { labelSelector: nodeProxySelector }
  const sets = await listAll<DaemonSet>(cluster, path, query).catch(() => [])
  return sets[0]?.spec?.template?.spec?.containers?.[0]?.image ?? presetImage
}
