import type { NodeRow, PodRow } from '../../model/status.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { listAll } from '../cluster/list.ts'
import {
  type DaemonSet,
  type KubeNode,
  type NetworkPolicy,
  nodeProxySelector,
  type Pod,
} from '../cluster/objects.ts'
import { type Answers, askPods, operatorPods } from '../cluster/replicas.ts'

/** What could not be asked for says why. */
export type Known<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string }

/** All that the checks are made of, at one moment. */
export interface ClusterFacts {
  readonly sluiceNamespace: string
  readonly cliVersion: string
  readonly kubernetesVersion: Known<string>
  readonly operatorPods: Known<readonly Pod[]>
  readonly proxyPods: Known<readonly Pod[]>
  readonly daemonSets: Known<readonly DaemonSet[]>
  readonly nodes: Known<readonly KubeNode[]>
  readonly policies: Known<readonly NetworkPolicy[]>
  /** Of the namespaces that have pods in the mesh, for their labels. */
  readonly meshPods: Known<readonly Pod[]>
  readonly podAnswers: Answers<PodRow>
  readonly nodeAnswers: Answers<NodeRow>
}

const nobody = { answered: [], unanswered: [] } as const

/** Asks for everything; what fails is a finding, and no reason to end. */
export async function gather(
  cluster: Cluster,
  sluiceNamespace: string,
  cliVersion: string,
): Promise<ClusterFacts> {
  const own = `/api/v1/namespaces/${sluiceNamespace}/pods`
  const sets = `/apis/apps/v1/namespaces/${sluiceNamespace}/daemonsets`
  const labelSelector = nodeProxySelector
  const [kubernetesVersion, operators, proxyPods, daemonSets, nodes, policies] = await Promise.all([
    known(async () => versionOf(await cluster.api.call({ path: '/version' }))),
    known(async () => operatorPods(cluster, sluiceNamespace)),
    known(async () => listAll<Pod>(cluster, own, { labelSelector })),
    known(async () => listAll<DaemonSet>(cluster, sets, { labelSelector })),
    known(async () => listAll<KubeNode>(cluster, '/api/v1/nodes')),
    known(async () =>
      listAll<NetworkPolicy>(cluster, '/apis/networking.k8s.io/v1/networkpolicies'),
    ),
  ])
  const replicas = operators.ok ? operators.value : []
  const [podAnswers, nodeAnswers] =
    replicas.length === 0
      ? [nobody, nobody]
      : await Promise.all([
          askPods<PodRow>(cluster, replicas, '/status/pods'),
          askPods<NodeRow>(cluster, replicas, '/status/nodes'),
        ])
  return {
    sluiceNamespace,
    cliVersion,
    kubernetesVersion,
    operatorPods: operators,
    proxyPods,
    daemonSets,
    nodes,
    policies,
    meshPods: await known(async () => podsOfMesh(cluster, policies, podAnswers)),
    podAnswers,
    nodeAnswers,
  }
}

/** Only where a policy could matter. */
async function podsOfMesh(
  cluster: Cluster,
  policies: ClusterFacts['policies'],
  { answered }: Answers<PodRow>,
): Promise<readonly Pod[]> {
  const wanted = answered.flatMap(({ rows }) => rows).filter((row) => row.wanted)
  const uids = new Set(wanted.map(({ uid }) => uid))
  const withPolicies = new Set(
    (policies.ok ? policies.value : []).map(({ metadata }) => metadata?.namespace ?? ''),
  )
  const namespaces = [...new Set(wanted.map(({ namespace }) => namespace))]
  const lists = namespaces
    .filter((namespace) => withPolicies.has(namespace))
    .map(async (namespace) => listAll<Pod>(cluster, `/api/v1/namespaces/${namespace}/pods`))
  return (await Promise.all(lists)).flat().filter(({ metadata }) => uids.has(metadata?.uid ?? ''))
}

async function known<T>(ask: () => Promise<T>): Promise<Known<T>> {
  try {
    return { ok: true, value: await ask() }
  } catch (error) {
    return { ok: false, error: error instanceof Error ? error.message : String(error) }
  }
}

function versionOf(answer: unknown): string {
  return (answer as { readonly gitVersion?: string }).gitVersion ?? 'unknown'
}
