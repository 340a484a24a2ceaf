import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { isStatus } from '../../operator/kube/api.ts'
import type { Cluster } from '../cluster/cluster.ts'
import { listAll } from '../cluster/list.ts'
import type { ObjectMeta, Pod } from '../cluster/objects.ts'
import { probeLabels } from './probe-pod.ts'

const collection = '/api/v1/namespaces'
/** Pods of ours have ended by themselves long before. */
const leftoverMs = 3_600_000
const accountTimeoutMs = 30_000
const accountLookMs = 200

/**
 * A namespace for one round of questions: what happens in it goes with it. Leftovers of rounds that
 * were killed go too. @throws Error when it may not be made
 */
export async function makeNamespace(cluster: Cluster, nowMs: number): Promise<string> {
  await removeLeftovers(cluster, nowMs)
  const name = `sluice-preflight-${randomBytes(4).toString('hex')}`
  const labels = { ...probeLabels, 'pod-security.kubernetes.io/enforce': 'privileged' }
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
  try {
    await cluster.api.call({ method: 'POST', path: collection, body })
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    const fix = 'preflight --cluster needs the rights of who installs: namespaces, privileged pods'
    throw new Error(`cannot make a namespace for the questions: ${cause}: ${fix}`, { cause: error })
  }
  return name
}

/** Something of ours stays on the cluster. */
export class CleanUpError extends Error {
  override readonly name = 'CleanUpError'
}

/** A controller makes it a little later than its namespace, and no pod is let in before. */
export async function waitForAccount(
  { api }: Cluster,
  namespace: string,
  signal: AbortSignal,
): Promise<void> {
  const until = performance.now() + accountTimeoutMs
  const path = `${collection}/${namespace}/serviceaccounts/default`
  for (;;) {
    try {
      await api.call({ path }, signal)
      return
    } catch (error) {
      signal.throwIfAborted()
      // Who may not look tries his luck.
      if (!isStatus(error, 404) || performance.now() > until) return
    }
    await delay(accountLookMs, undefined, { signal })
  }
}

/**
 * Also after an interruption. Pods that no kubelet has begun would keep the namespace until their
 * node is back, so these go at once. @throws CleanUpError when something stays, naming it
 */
export async function removeNamespace(cluster: Cluster, name: string): Promise<void> {
  const { api } = cluster
  try {
    const path = `${collection}/${name}`
    await api.call({ method: 'DELETE', path, query: { propagationPolicy: 'Background' } })
    const pods = await listAll<Pod>(cluster, `${path}/pods`)
    const unborn = pods.filter(({ status }) => (status?.containerStatuses ?? []).length === 0)
    for (const { metadata } of unborn) {
      const pod = `${path}/pods/${metadata?.name}`
      const query = { gracePeriodSeconds: '0' }
      await api.call({ method: 'DELETE', path: pod, query }).catch(ignoreGone)
    }
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    const fix = `kubectl delete namespace ${name}`
    throw new CleanUpError(`cannot clean up: ${cause}: ${fix}`, { cause: error })
  }
}

async function removeLeftovers(cluster: Cluster, nowMs: number): Promise<void> {
  const labelSelector = Object.entries(probeLabels)
    .map(([label, value]) => `${label}=${value}`)
    .join(',')
  const found = await listAll<{ readonly metadata?: ObjectMeta }>(cluster, collection, {
    labelSelector,
  })
  for (const { metadata } of found) {
    const made = Date.parse(metadata?.creationTimestamp ?? '')
    if (nowMs - made < leftoverMs) continue
    const path = `${collection}/${metadata?.name}`
    await cluster.api.call({ method: 'DELETE', path }).catch(ignoreGone)
  }
}

function ignoreGone(error: unknown): void {
  if (!isStatus(error, 404)) throw error
}
