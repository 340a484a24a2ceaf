import { setTimeout as delay } from 'node:timers/promises'
import type { Cluster } from '../cluster/cluster.ts'
import { listAll } from '../cluster/list.ts'
import type { Pod } from '../cluster/objects.ts'
import { judgePod, readVerdict } from './judge-pod.ts'
import { type NodeAnswer, unanswered } from './node-answer.ts'
import { type ProbeOptions, probePod, startMs } from './probe-pod.ts'

export interface AskOptions extends ProbeOptions {
  readonly namespace: string
  readonly signal: AbortSignal
  /** Between two looks at the pods. */
  readonly lookMs?: number
}

/** So many pods run at once: a large cluster's API server has other things to do. */
const podsAtOnce = 50

interface Question {
  readonly node: string
  readonly pod: string
  readonly startedMs: number
}

/**
 * Asks these nodes, each by a pod of its own. @throws Error when the API server cannot be asked, or
 * the signal was raised; what was made stays then
 */
export async function askNodes(
  cluster: Cluster,
  nodes: readonly string[],
  options: AskOptions,
): Promise<readonly NodeAnswer[]> {
  const { signal, lookMs = 1_000 } = options
  const answers = new Map<string, NodeAnswer>()
  const waiting = nodes.map((node, index) => ({ node, pod: `preflight-${index + 1}` }))
  let open: readonly Question[] = []
  while (waiting.length > 0 || open.length > 0) {
    signal.throwIfAborted()
    const started = await Promise.all(
      waiting
        .splice(0, podsAtOnce - open.length)
        .map(async ({ node, pod }) => start(cluster, node, pod, options)),
    )
    for (const one of started) if ('answered' in one) answers.set(one.node, one)
    open = [...open, ...started.filter((one) => 'pod' in one)]
    const judged = await judge(cluster, open, options)
    for (const answer of judged) answers.set(answer.node, answer)
    open = open.filter(({ node }) => !answers.has(node))
    if (open.length > 0) await delay(lookMs, undefined, { signal })
  }
  return nodes.map((node) => answers.get(node) ?? unanswered(node, 'it was not asked', 'ask again'))
}

async function start(
  { api }: Cluster,
  node: string,
  pod: string,
  options: AskOptions,
): Promise<Question | NodeAnswer> {
  const path = `/api/v1/namespaces/${options.namespace}/pods`
  try {
    await api.call({ method: 'POST', path, body: probePod(pod, node, options) }, options.signal)
  } catch (error) {
    options.signal.throwIfAborted()
    const hint = 'may you create privileged pods there?'
    return unanswered(node, `its pod is refused: ${causeOf(error)}`, hint)
  }
  return { node, pod, startedMs: performance.now() }
}

async function judge(
  cluster: Cluster,
  open: readonly Question[],
  { namespace, timeoutMs, signal }: AskOptions,
): Promise<readonly NodeAnswer[]> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const pods = new Map(
    (await listAll<Pod>(cluster, path)).map((pod) => [pod.metadata?.name ?? '', pod]),
  )
  const judged = await Promise.all(
    open.map(async ({ node, pod, startedMs }): Promise<NodeAnswer | undefined> => {
      const waitedMs = performance.now() - startedMs
      const judgement = judgePod(node, pods.get(pod), waitedMs, timeoutMs + startMs)
      if (judgement === 'waits') return undefined
      if (judgement !== 'ended') return judgement
      try {
        return readVerdict(node, await cluster.api.text({ path: `${path}/${pod}/log` }, signal))
      } catch (error) {
        signal.throwIfAborted()
        return unanswered(node, `its answer cannot be read: ${causeOf(error)}`, 'ask again')
      }
    }),
  )
  return judged.filter((answer) => answer !== undefined)
}

function causeOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
