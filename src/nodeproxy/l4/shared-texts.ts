import type { WorkloadFacts } from '../flat/profile.ts'

/**
 * Keeps texts that many workloads have once: what comes from another thread has each of them anew.
 */
export interface SharedTexts {
  /** The same workload, with shared texts. */
  of(workload: WorkloadFacts): WorkloadFacts
}

/** Beyond it begins anew: what is kept by nobody else must not stay for ever. */
const mostTexts = 8_192

export function createSharedTexts(): SharedTexts {
  const texts = new Map<string, string>()

  function share(text: string): string {
    const known = texts.get(text)
    if (known !== undefined) return known
    if (texts.size >= mostTexts) texts.clear()
    texts.set(text, text)
    return text
  }

  return {
    of: (workload) => ({
      ...workload,
      cluster: share(workload.cluster),
      namespace: share(workload.namespace),
      trustDomain: share(workload.trustDomain),
      serviceAccount: share(workload.serviceAccount),
      owner: share(workload.owner),
      ownerKind: share(workload.ownerKind),
      canonicalName: share(workload.canonicalName),
      canonicalRevision: share(workload.canonicalRevision),
      app: share(workload.app),
      version: share(workload.version),
      ...(workload.services === undefined ? {} : { services: workload.services.map(share) }),
    }),
  }
}
