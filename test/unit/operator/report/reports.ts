// What nodes say, by what matters of it.
import type { NodeFacts, PodReport } from '../../../../src/model/report.ts'

export function podReport(uid: string, more: Partial<PodReport> = {}): PodReport {
  return {
    uid,
    state: 'enrolled',
    sinceSeconds: 1_000,
    reason: '',
    notAccelerated: '',
    connectionsBefore: 0,
    connectionsBeforeOpen: 0,
    ...more,
  }
}

export function nodeFacts(more: Partial<NodeFacts> = {}): NodeFacts {
  return {
    version: '0.1.0',
    kernel: '6.18.0',
    startedSeconds: 900,
    notReady: '',
    features: [{ name: 'hooks', on: true, reason: '' }],
    maps: [{ map: 'origins', percent: 3, maxEntries: 65_536 }],
    notes: [],
    unnamedPods: 0,
    ...more,
  }
}
