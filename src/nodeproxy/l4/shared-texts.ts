import type { Locality, Workload } from '../../model/resources.ts'

/**
 * Keeps texts that many workloads have once: what comes from another thread has each of them anew.
 */
export interface SharedTexts {
  /** The same workload, with shared texts. */
  of(workload: Workload): Workload
}

/** Beyond it begins anew: what is kept by nobody else must not stay for ever. */
const mostTexts = 8_192

export function createSharedTexts(): SharedTexts {
  const texts = new Map<string, string>()
  const localities = new Map<string, Locality>()

  function share(text: string): string {
    const known = texts.get(text)
    if (known !== undefined) return known
    if (texts.size >= mostTexts) texts.clear()
    texts.set(text, text)
    return text
  }

  function shareLocality(locality: Locality): Locality {
    const { region, zone, subzone } = locality
    const key = `${region}/${zone}/${subzone}`
    const known = localities.get(key)
    if (known !== undefined) return known
    if (localities.size >= mostTexts) localities.clear()
    localities.set(key, locality)
    return locality
  }

  return {
    of: (workload) => ({
      ...workload,
      cluster: share(workload.cluster),
      namespace: share(workload.namespace),
      addresses: workload.addresses.map(({ network, ip }) => ({ network: share(network), ip })),
      node: share(workload.node),
      trustDomain: share(workload.trustDomain),
      serviceAccount: share(workload.serviceAccount),
      locality: shareLocality(workload.locality),
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
