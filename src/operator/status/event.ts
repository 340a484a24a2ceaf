import { createHash } from 'node:crypto'
import { isStatus, type KubeApi } from '../kube/api.ts'

export interface EventWriter {
  readonly api: KubeApi
  /** Who reports. */
  readonly podName: string
}

/** A warning about an object, for who looks at that object. */
export interface Warning {
  readonly about: Subject
  readonly reason: string
  readonly message: string
}

/** `kubectl describe` looks for the uid too. */
export interface Subject {
  readonly kind: string
  readonly namespace: string
  readonly name: string
  readonly uid?: string
}

const apiVersions: Readonly<Record<string, string>> = {
  EndpointSlice: 'discovery.k8s.io/v1',
  MeshConfig: 'sluice.dev/v1alpha1',
  RuntimeClass: 'node.k8s.io/v1',
}

const maxMessage = 1_000

/**
 * Its name is made of what it says: of two replicas that both tell it, one finds it told; in the
 * next hour it may be told again. @throws KubeError or Error when it could not be told
 */
export async function writeEvent({ api, podName }: EventWriter, warning: Warning): Promise<void> {
  const { kind, name, uid } = warning.about
  // Events of objects without a namespace are in `default`, as kubectl looks for them there.
  const namespace = warning.about.namespace === '' ? 'default' : warning.about.namespace
  const time = new Date().toISOString()
  const body = {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name.slice(0, 200)}.${idOf(warning, time.slice(0, 13))}`, namespace },
    involvedObject: {
      apiVersion: apiVersions[kind] ?? 'v1',
      kind,
      name,
      ...(warning.about.namespace === '' ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
    },
    type: 'Warning',
    reason: warning.reason,
    message: warning.message.slice(0, maxMessage),
    source: { component: 'sluice-operator' },
    reportingComponent: 'sluice.dev/operator',
    reportingInstance: podName,
    firstTimestamp: time,
    lastTimestamp: time,
    count: 1,
  }
  try {
    await api.call({ method: 'POST', path: `/api/v1/namespaces/${namespace}/events`, body })
  } catch (error) {
    // It is told already, or its namespace is gone, or going.
    if (isStatus(error, 409) || isStatus(error, 404)) return
    const going = error instanceof Error && error.message.includes('being terminated')
    if (!going) throw error
  }
}

function idOf({ about, reason, message }: Warning, hour: string): string {
  const { kind, namespace, name, uid = '' } = about
  const text = [hour, kind, namespace, name, uid, reason, message].join('\n')
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
