import type { ForeignKind } from './kinds.ts'

/** What is kept of a CustomResourceDefinition; its schema may have a megabyte. */
export interface CrdFacts {
  readonly served: readonly string[]
  /** The API server serves it, and it is not being removed. */
  readonly established: boolean
  /** Of the Gateway API, as `v1.6.3`; empty where it says nothing. */
  readonly bundle: string
  /** `standard` or `experimental`. */
  readonly channel: string
}

interface Crd {
  readonly metadata?: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec?: {
    readonly versions?: readonly { readonly name?: string; readonly served?: boolean }[]
  }
  readonly status?: {
    readonly conditions?: readonly { readonly type?: string; readonly status?: string }[]
  }
}

const annotationGroup = 'gateway.networking.k8s.io'

export function readCrd(object: object): CrdFacts {
  const { metadata, spec, status } = object as Crd
  const annotation = (name: string) => metadata?.annotations?.[`${annotationGroup}/${name}`] ?? ''
  const versions = spec?.versions ?? []
  return {
    served: versions.flatMap(({ name = '', served }) => (served === true ? [name] : [])),
    established: (status?.conditions ?? []).some(
      (condition) => condition.type === 'Established' && condition.status === 'True',
    ),
    bundle: annotation('bundle-version'),
    channel: annotation('channel'),
  }
}

/** The best of the versions that both sides know; empty: none. */
export function usableVersion({ versions }: ForeignKind, crd: CrdFacts | undefined): string {
  if (crd?.established !== true) return ''
  return versions.find((version) => crd.served.includes(version)) ?? ''
}
