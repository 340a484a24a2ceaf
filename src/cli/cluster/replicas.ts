import type { ReplicaFacts, StatusAnswer } from '../../model/status.ts'
import type { Cluster } from './cluster.ts'
import { getJson } from './http-get.ts'
import { listAll } from './list.ts'
import { operatorSelector, type Pod } from './objects.ts'

const statusPort = 15_014

/** What the operator's replicas answered: each knows of the nodes that are connected to it. */
export interface Answers<T> {
  readonly answered: readonly StatusAnswer<T>[]
  readonly unanswered: readonly Unanswered[]
}

export interface Unanswered {
  readonly pod: string
  readonly error: string
}

/** @throws Error when the cluster cannot be asked, or there is no replica at all */
export async function askReplicas<T>(
  cluster: Cluster,
  namespace: string,
  path: string,
): Promise<Answers<T>> {
  const pods = await operatorPods(cluster, namespace)
  if (pods.length === 0) {
    throw new Error(
      `no pod of Sluice's operator in namespace ${namespace}: ` +
        'is Sluice installed there? Otherwise give --sluice-namespace',
    )
  }
  return askPods(cluster, pods, path)
}

export async function operatorPods(cluster: Cluster, namespace: string): Promise<readonly Pod[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const pods = await listAll<Pod>(cluster, path, { labelSelector: operatorSelector })
  return pods.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed')
}

/** All at once; who does not answer is told with the others. */
export async function askPods<T>(
  cluster: Cluster,
  pods: readonly Pod[],
  path: string,
): Promise<Answers<T>> {
  const results = await Promise.all(
    pods.map(async ({ metadata }): Promise<StatusAnswer<T> | Unanswered> => {
      const { name = '', namespace = '' } = metadata ?? {}
      try {
        const connection = await cluster.forward(namespace, name, statusPort)
        return (await getJson(connection, path)) as StatusAnswer<T>
      } catch (error) {
        return { pod: name, error: error instanceof Error ? error.message : String(error) }
      }
    }),
  )
  return {
    answered: results.filter((one) => 'rows' in one),
    unanswered: results.filter((one) => 'error' in one),
  }
}

/** Without their rows. */
export function replicasOf<T>({ answered }: Answers<T>): readonly ReplicaFacts[] {
  return answered.map(({ rows: _rows, ...replica }) => replica)
}
