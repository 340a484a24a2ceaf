// What tests put into an API server.
import type { KubeApi } from '../../../src/operator/kube/api.ts'

export async function createNamespace(
  api: KubeApi,
  name: string,
  annotations: Readonly<Record<string, string>> = {},
): Promise<void> {
  const body = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, annotations } }
  await api.call({ method: 'POST', path: '/api/v1/namespaces', body })
}

export async function annotate(api: KubeApi, path: string, annotations: object): Promise<void> {
  const contentType = 'application/merge-patch+json'
  await api.call({ method: 'PATCH', path, body: { metadata: { annotations } }, contentType })
}

/** A pod on a node, as if a scheduler and a kubelet had done their part. @returns its uid */
export async function createPod(
  api: KubeApi,
  namespace: string,
  name: string,
  node: string,
  ip?: string,
  serviceAccountName = 'default',
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/pods`
  const spec = {
    nodeName: node,
    serviceAccountName,
    containers: [{ name: 'app', image: 'none' }],
    terminationGracePeriodSeconds: 0,
  }
  const body = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec }
  const { metadata } = (await api.call({ method: 'POST', path, body })) as {
    readonly metadata: { readonly uid: string }
  }
  if (ip !== undefined) {
    const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }] }
    const contentType = 'application/merge-patch+json'
    const at = `${path}/${name}/status`
    await api.call({ method: 'PATCH', path: at, body: { status }, contentType })
  }
  return metadata.uid
}

/** A token as the kubelet would project it. */
export async function boundToken(
  api: KubeApi,
  namespace: string,
  account: string,
  pod: { readonly name: string; readonly uid: string },
  audience = 'sluice.dev',
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${account}/token`
  const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', ...pod }
  const body = {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    spec: { audiences: [audience], expirationSeconds: 3_600, boundObjectRef },
  }
  const { status } = (await api.call({ method: 'POST', path, body })) as {
    readonly status: { readonly token: string }
  }
  return status.token
}

export async function createServiceAccount(
  api: KubeApi,
  namespace: string,
  name: string,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts`
  const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } }
  await api.call({ method: 'POST', path, body })
}

/** A service with one slice, as a controller would keep it. */
export async function createService(
  api: KubeApi,
  namespace: string,
  name: string,
  clusterIP: string,
  endpoint: { readonly ip: string; readonly node: string; readonly pod: string },
): Promise<void> {
  const ports = [{ name: 'http', port: 80, targetPort: 8080 }]
  await api.call({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/services`,
    body: { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec: { clusterIP, ports } },
  })
  await api.call({
    method: 'POST',
    path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
    body: {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 8080 }],
      endpoints: [
        {
          addresses: [endpoint.ip],
          nodeName: endpoint.node,
          conditions: { ready: true },
          targetRef: { kind: 'Pod', namespace, name: endpoint.pod },
        },
      ],
    },
  })
}

/** As the chart's, without its words and checks. */
export const meshConfigCrd = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'meshconfigs.sluice.dev' },
  spec: {
    group: 'sluice.dev',
    scope: 'Cluster',
    names: { kind: 'MeshConfig', plural: 'meshconfigs' },
    versions: [
      {
        name: 'v1alpha1',
        served: true,
        subresources: { status: {} },
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        },
      },
    ],
  },
}
