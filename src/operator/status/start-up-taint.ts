import { createBackOff } from '../../model/back-off.ts'
import type { KubeApi } from '../kube/api.ts'
import type { ReportBook } from '../report/report-book.ts'

/** What a node that registers may carry, so that no pod starts there before there is a mesh. */
export const startUpTaint = 'sluice.dev/agent-not-ready'

export interface TaintRemoverOptions {
  readonly api: KubeApi
  /** Of the nodes that report to this replica: each removes the taint of its own. */
  readonly reports: Pick<ReportBook, 'names' | 'node'>
  readonly onRemoved: (node: string) => void
  readonly onError: (node: string, error: Error) => void
  readonly pollMs?: number
}

interface Node {
  readonly spec?: { readonly taints?: readonly { readonly key: string }[] }
}

/**
 * Removes the taint of each node once its agent has said that it serves the node's pods. A node is
 * looked at once in the life of its stream: a kubelet sets taints when it registers, before it runs
 * an agent.
 * @returns what ends it
 */
export function startTaintRemover(options: TaintRemoverOptions): () => void {
  const { reports, onError, pollMs = 500 } = options
  const done = new Set<string>()
  const backOff = createBackOff({ firstMs: pollMs, maxMs: 30_000, random: Math.random })
  let stopped = false
  let timer: NodeJS.Timeout | undefined

  async function turn(): Promise<void> {
    let waitMs = pollMs
    for (const node of done) if (reports.node(node) === undefined) done.delete(node)
    for (const node of reports.names()) {
      if (done.has(node) || reports.node(node)?.facts?.notReady !== '') continue
      try {
        await removeTaint(options, node)
        done.add(node)
        backOff.reset()
      } catch (error) {
        onError(node, error instanceof Error ? error : new Error(String(error)))
        waitMs = backOff.nextMs()
      }
    }
    if (!stopped) timer = setTimeout(() => void turn(), waitMs).unref()
  }

  void turn()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

/** Tested against what was read: of two that change the taints at once one is refused. */
async function removeTaint({ api, onRemoved }: TaintRemoverOptions, node: string): Promise<void> {
  const path = `/api/v1/nodes/${node}`
  const { spec } = (await api.call({ path })) as Node
  const taints = spec?.taints ?? []
  const left = taints.filter(({ key }) => key !== startUpTaint)
  if (left.length === taints.length) return
  const at = '/spec/taints'
  await api.call({
    method: 'PATCH',
    path,
    contentType: 'application/json-patch+json',
    body: [
      { op: 'test', path: at, value: taints },
      left.length === 0 ? { op: 'remove', path: at } : { op: 'replace', path: at, value: left },
    ],
  })
  onRemoved(node)
}
