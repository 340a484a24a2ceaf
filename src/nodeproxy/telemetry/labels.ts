import type { WorkloadFacts } from '../flat/profile.ts'
import type { ServiceName } from '../l4/service-view.ts'

/**
 * Istio's label set for TCP metrics (istio.io, "Istio Standard Metrics"; the same list as
 * ztunnel's), in the order in which values are kept. What is not known is 'unknown', never absent.
 */
export const istioLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_service',
  'destination_service_namespace',
  'destination_service_name',
  'destination_workload',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'request_protocol',
  'response_flags',
  'connection_security_policy',
] as const

export type IstioLabels = Readonly<Record<(typeof istioLabelNames)[number], string>>
export type Reporter = 'source' | 'destination'

export interface LabelFacts {
  readonly reporter: Reporter
  readonly source: WorkloadFacts | undefined
  readonly destination: WorkloadFacts | undefined
  readonly service: ServiceName | undefined
  /** Let through to an address outside the mesh. */
  readonly outside: boolean
  /** Envoy's response flags; '-' for none. */
  readonly flags: string
}

/** Kiali and Istio's dashboards know this name for what passes through. */
const passthrough = 'PassthroughCluster'

export function istioLabels(facts: LabelFacts): IstioLabels {
  const { reporter, source, destination, service, outside, flags } = facts
  return {
    reporter,
    source_workload: known(workloadName(source)),
    source_canonical_service: known(source?.canonicalName),
    source_canonical_revision: known(source?.canonicalRevision),
    source_workload_namespace: known(source?.namespace),
    // A principal is what mTLS proved; a plain connection has none.
    source_principal: 'unknown',
    source_app: known(source?.app),
    source_version: known(source?.version),
    source_cluster: known(source?.cluster),
    destination_service: known(service?.hostname),
    destination_service_namespace: known(service?.namespace),
    destination_service_name: known(service?.name ?? (outside ? passthrough : '')),
    destination_workload: known(workloadName(destination)),
    destination_canonical_service: known(destination?.canonicalName),
    destination_canonical_revision: known(destination?.canonicalRevision),
    destination_workload_namespace: known(destination?.namespace),
    destination_principal: 'unknown',
    destination_app: known(destination?.app),
    destination_version: known(destination?.version),
    destination_cluster: known(destination?.cluster),
    request_protocol: 'tcp',
    response_flags: flags,
    // As Istio has it: the source cannot say how secure the way was.
    connection_security_policy: reporter === 'source' ? 'unknown' : 'none',
  }
}

/** Istio names the owner (a Deployment, say), not the pod; a pod without one names itself. */
export function workloadName(workload: WorkloadFacts | undefined): string {
  return workload === undefined ? '' : workload.owner || workload.name
}

function known(text: string | undefined): string {
  return text === undefined || text === '' ? 'unknown' : text
}
