import { annotationPrefix } from '../compile/annotations.ts'
import type { SourceKind } from './source-kinds.ts'

type Members = Readonly<Record<string, unknown>>

/** The only one of others' that is read: how the kubelet names a static pod. */
const mirrorAnnotation = 'kubernetes.io/config.mirror'

/** Labels of a node that are read; it may have hundreds. */
const nodeLabels = [
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
  'topology.istio.io/subzone',
]

/**
 * What is read of an object, and its kind, which objects of a list do not say. A pod's containers,
 * who wrote which field, and what kubectl last applied are most of an object.
 */
export function trim({ kind, apiVersion }: SourceKind, object: object): object {
  const whole = object as Members
  const { metadata, spec, status } = whole as {
    metadata?: Members
    spec?: Members
    status?: Members
  }
  const common = { kind, apiVersion, metadata: trimMetadata(kind, metadata ?? {}) }
  switch (kind) {
    case 'Namespace':
    case 'Node':
      return common
    case 'Pod':
      return {
        ...common,
        spec: pick(spec, ['nodeName', 'hostNetwork', 'runtimeClassName', 'serviceAccountName']),
        status: pick(status, ['phase', 'conditions', 'podIPs']),
      }
    case 'Service':
      return { ...common, spec, status: pick(status, ['loadBalancer']) }
    case 'RuntimeClass':
      return { ...common, ...pick(whole, ['handler']) }
    case 'EndpointSlice':
      return { ...common, ...pick(whole, ['addressType', 'endpoints', 'ports']) }
    default:
      return { ...common, spec }
  }
}

function trimMetadata(kind: string, metadata: Members): Members {
  const { labels, annotations } = metadata as { labels?: Members; annotations?: Members }
  return {
    ...pick(metadata, [
      'name',
      'namespace',
      'uid',
      ...(kind === 'MeshConfig' ? ['generation'] : []),
      'creationTimestamp',
      'deletionTimestamp',
      'ownerReferences',
    ]),
    labels: kind === 'Node' ? pick(labels, nodeLabels) : (labels ?? {}),
    annotations: Object.fromEntries(
      Object.entries(annotations ?? {}).filter(
        ([name]) => name.startsWith(annotationPrefix) || name === mirrorAnnotation,
      ),
    ),
  }
}

function pick(members: Members | undefined, names: readonly string[]): Members {
  return Object.fromEntries(
    names.flatMap((name) => (members?.[name] === undefined ? [] : [[name, members[name]]])),
  )
}
