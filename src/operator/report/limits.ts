import type { Rate } from '../publish/rate-limit.ts'

/** What one node may report, so that a faulty one costs no other. */
export interface ReportLimits {
  readonly messageBytes: number
  /** Messages on one stream; what comes faster is read later. */
  readonly messages: Rate
  readonly podsPerNode: number
}

export const defaultReportLimits: ReportLimits = {
  messageBytes: 512 * 1_024,
  messages: { burst: 20, perSecond: 2 },
  // Several times what a kubelet runs.
  podsPerNode: 2_000,
}
