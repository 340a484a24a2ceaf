import type { Workload } from '../../model/resources.ts'
import type { PodFacts } from './facts.ts'

type Named = Pick<
  Workload,
  'owner' | 'ownerKind' | 'canonicalName' | 'canonicalRevision' | 'app' | 'version'
>

/** What telemetry calls a pod, by Istio's rules, so that its dashboards find what they look for. */
export function workloadNames(pod: PodFacts): Named {
  const { labels } = pod
  const owner = ownerOf(pod)
  const app = labels['app'] ?? labels['app.kubernetes.io/name']
  const version = labels['version'] ?? labels['app.kubernetes.io/version']
  return {
    owner: owner.name,
    ownerKind: owner.kind,
    // Istio, "canonical service": its own label, then app.kubernetes.io/name, then app, then the
    // owner.
    canonicalName:
      labels['service.istio.io/canonical-name'] ??
      labels['app.kubernetes.io/name'] ??
      labels['app'] ??
      owner.name,
    canonicalRevision:
      labels['service.istio.io/canonical-revision'] ??
      labels['app.kubernetes.io/version'] ??
      labels['version'] ??
      'latest',
    app: app ?? '',
    version: version ?? '',
  }
}

const cronJobRun = /^(.+)-\d{8,10}$/

/**
 * What people deployed: a ReplicaSet is named after its Deployment and its pods' template hash, a
 * Job of a CronJob after that and the time.
 */
function ownerOf(pod: PodFacts): { readonly kind: string; readonly name: string } {
  const { controller, labels } = pod
  if (controller === undefined) return { kind: 'Pod', name: pod.name }
  const suffix = `-${labels['pod-template-hash'] ?? ''}`
  if (controller.kind === 'ReplicaSet' && suffix !== '-' && controller.name.endsWith(suffix)) {
    return { kind: 'Deployment', name: controller.name.slice(0, -suffix.length) }
  }
  const cronJob = controller.kind === 'Job' ? cronJobRun.exec(controller.name)?.[1] : undefined
  return cronJob === undefined ? controller : { kind: 'CronJob', name: cronJob }
}
