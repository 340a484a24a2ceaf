import { release } from 'node:os'
import {
  type NodeState,
  type PodReport,
  maxReportItems,
  maxReportText,
} from '../../model/report.ts'
import { cgroupIdsBelow } from '../agent/cgroup-tree.ts'
import type { PodStatus } from '../agent/pod-status.ts'
import { whyNotAccelerated } from '../kernel/acceleration.ts'
import { packageVersion } from '../../package-version.ts'
import type { Parts } from './parts.ts'

const version = packageVersion()
const startedSeconds = Math.floor(performance.timeOrigin / 1_000)

/** What the operator is told of this node and its pods. */
export function nodeState(parts: Parts): NodeState {
  const { agent, store, kernel } = parts
  const named = agent.pods().filter(({ uid }) => store.get(uid) !== undefined)
  const facts = {
    version,
    kernel: release(),
    startedSeconds,
    notReady: short(notReady(parts)),
    features: kernel.report.features.slice(0, maxReportItems).map(({ name, on, reason }) => ({
      name,
      on,
      reason: short(reason),
    })),
    maps: kernel.mapFill().map(({ map, entries, maxEntries }) => ({
      map,
      percent: Math.round((entries / maxEntries) * 100),
      maxEntries,
    })),
    notes: kernel.report.notes.slice(0, maxReportItems).map(short),
    unnamedPods: agent.pods().length - named.length,
  }
  return { facts, pods: new Map(named.map((pod) => [pod.uid, podReport(parts, pod)])) }
}

function podReport(parts: Parts, pod: PodStatus): PodReport {
  return {
    uid: pod.uid,
    state: pod.state,
    sinceSeconds: Math.floor(pod.sinceMs / 1_000),
    reason: short(pod.reason),
    notAccelerated: short(notAccelerated(parts, pod)),
    connectionsBefore: pod.connectionsBefore,
    connectionsBeforeOpen: pod.connectionsBeforeOpen,
  }
}

function short(text: string): string {
  return text.slice(0, maxReportText)
}

/** Why this node's pods are not served; empty when they are. */
export function notReady({ store, agent }: Parts): string {
  if (!store.complete) return `no configuration yet: ${store.status().reason}`
  const failed = agent.pods().filter(({ state }) => state === 'failed')
  const [first] = failed
  // One pod that cannot be enrolled is its own trouble; all of them are the node's.
  const all = failed.length > 0 && agent.pods().every(({ state }) => state !== 'enrolled')
  return all ? `no pod can be enrolled: ${first?.reason}` : ''
}

/** Why a pod is not accelerated as it asks; empty when it is. */
export function notAccelerated({ agent, kernel }: Parts, pod: PodStatus): string {
  if (pod.state !== 'enrolled') return ''
  const byKernel = whyNotAccelerated(kernel.report, kernel.settings(), pod.acceleration)
  if (byKernel !== '' || pod.acceleration !== 'full') return byKernel
  const dir = agent.cgroupDirOf(pod.uid)
  if (dir === '') return ''
  for (const id of cgroupIdsBelow(dir)) {
    const why = kernel.whyLeftOut(BigInt(pod.netnsCookie), id)
    if (why !== '') return why
  }
  return ''
}
