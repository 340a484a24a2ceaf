import type { Kind } from '../compile/facts.ts'
import type { Collection } from './reflector.ts'

/** A kind of object that the operator follows, over all namespaces. */
export interface SourceKind extends Collection {
  readonly kind: Kind
  readonly apiVersion: string
}

export const sourceKinds: readonly SourceKind[] = [
  core('Namespace', 'namespaces', true),
  core('Node', 'nodes', true),
  core('Pod', 'pods', false),
  core('Service', 'services', false),
  {
    kind: 'EndpointSlice',
    apiVersion: 'discovery.k8s.io/v1',
    path: '/apis/discovery.k8s.io/v1/endpointslices',
    metadataOnly: false,
    optional: false,
  },
  {
    kind: 'RuntimeClass',
    apiVersion: 'node.k8s.io/v1',
    path: '/apis/node.k8s.io/v1/runtimeclasses',
    metadataOnly: false,
    optional: false,
  },
  {
    kind: 'MeshConfig',
    apiVersion: 'sluice.dev/v1alpha1',
    path: '/apis/sluice.dev/v1alpha1/meshconfigs',
    metadataOnly: false,
    optional: true,
  },
]

function core(kind: Kind, collection: string, metadataOnly: boolean): SourceKind {
  return { kind, apiVersion: 'v1', path: `/api/v1/${collection}`, metadataOnly, optional: false }
}
