import { createBackOff } from '../../model/back-off.ts'
import type { PodEnrolment } from '../../model/resources.ts'
import { isOfThePod } from '../../model/sandbox.ts'
import type { KubeApi } from '../kube/api.ts'
import { createRateLimit, type Rate } from '../publish/rate-limit.ts'
import type { Snapshot } from '../publish/snapshot.ts'
import { podRow } from '../report/pod-rows.ts'
import type { ReportBook } from '../report/report-book.ts'
import { writeEvent } from './event.ts'

export interface PodEventsOptions {
  readonly api: KubeApi
  /** Who reports. */
  readonly podName: string
  readonly snapshot: Pick<Snapshot, 'nodes' | 'enrolmentsOn'>
  readonly reports: Pick<ReportBook, 'node'>
  readonly onError?: (error: Error) => void
  /** A node whose every pod fails must not become the API server's trouble. */
  readonly rate?: Rate
  readonly lookMs?: number
}

const defaultRate: Rate = { burst: 50, perSecond: 1 }
const defaultLookMs = 10_000

/**
 * Tells on pods that they are wished into the mesh and cannot be in it. Each replica tells of the
 * nodes that report to it, so nobody needs to lead; each reason is told once as long as it holds.
 * @returns what ends it
 */
export function startPodEvents(options: PodEventsOptions): () => void {
  const { lookMs = defaultLookMs, rate = defaultRate, onError = () => {} } = options
  const limit = createRateLimit(rate)
  const backOff = createBackOff({ firstMs: 1_000, maxMs: 60_000, random: Math.random })
  let told: ReadonlySet<string> = new Set()
  let stopped = false
  let timer: NodeJS.Timeout

  /** @returns when to go on; 0: all is told */
  async function tell(): Promise<number> {
    const found = new Map(unenrolled(options).map((one) => [`${one.pod.uid} ${one.why}`, one]))
    const still = new Set([...told].filter((key) => found.has(key)))
    told = still
    for (const [key, { pod, why }] of found) {
      if (still.has(key)) continue
      const waitMs = limit.take(performance.now())
      if (waitMs > 0) return waitMs
      const { namespace, name, uid } = pod
      const message = `it is not in the mesh: ${why}`
      await writeEvent(options, {
        about: { kind: 'Pod', namespace, name, uid },
        reason: 'SluiceNotEnrolled',
        message,
      })
      still.add(key)
    }
    return 0
  }

  async function look(): Promise<void> {
    let waitMs = lookMs
    try {
      waitMs = Math.max(lookMs, await tell())
      backOff.reset()
    } catch (error) {
      onError(error instanceof Error ? error : new Error(String(error)))
      waitMs = backOff.nextMs()
    }
    if (!stopped) timer = setTimeout(() => void look(), waitMs).unref()
  }

  timer = setTimeout(() => void look(), lookMs).unref()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

interface Unenrolled {
  readonly pod: PodEnrolment
  readonly why: string
}

/**
 * Those that cannot be enrolled as they are, and those whose agent has failed to: what is only late
 * solves itself.
 */
function unenrolled({ snapshot, reports }: PodEventsOptions): readonly Unenrolled[] {
  const found: Unenrolled[] = []
  for (const name of snapshot.nodes()) {
    const node = reports.node(name)
    if (node?.facts === undefined) continue
    for (const pod of snapshot.enrolmentsOn(name)) {
      if (pod.enrolled ? node.pods.get(pod.uid)?.state === 'enrolled' : !isWished(pod)) continue
      const { state, why } = podRow(pod, node)
      if (state === 'failed' || state === 'outside') found.push({ pod, why })
    }
  }
  return found
}

/** A reason that lies in the pod is told in full only where the mesh was wished for. */
function isWished({ reason }: PodEnrolment): boolean {
  return isOfThePod(reason) && reason.includes(':')
}
