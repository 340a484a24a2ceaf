import { DNS_IMAGE } from './images.ts'
import { DNS_SERVICE } from './node-services.ts'

const labels = { 'k8s-app': 'kube-dns' }
const metadata = { name: 'coredns', namespace: 'kube-system', labels }

/** No `forward`: the cluster has no way to other name servers. */
const CONFIGURATION = `.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    cache 30
    reload
    loadbalance
}
`

/** As kubeadm installs it: Service kube-dns, two replicas, on different nodes where that can be. */
export function corednsObjects(): readonly object[] {
  return [...access(), configMap(), deployment(), service()]
}

function access(): readonly object[] {
  const name = 'system:coredns'
  const rbac = 'rbac.authorization.k8s.io'
  const watch = ['list', 'watch']
  return [
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name },
      rules: [
        { apiGroups: [''], resources: ['services', 'pods', 'namespaces'], verbs: watch },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: watch },
      ],
    },
    {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: 'coredns', namespace: 'kube-system' }],
    },
  ]
}

function configMap(): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { Corefile: CONFIGURATION } }
}

function deployment(): object {
  const probe = (path: string, port: number) => ({
    httpGet: { path, port },
    periodSeconds: 1,
    failureThreshold: 30,
  })
  const container = {
    name: 'coredns',
    image: DNS_IMAGE,
    imagePullPolicy: 'Never',
    args: ['-conf', '/etc/coredns/Corefile'],
    volumeMounts: [{ name: 'config', mountPath: '/etc/coredns', readOnly: true }],
    ports: [
      { name: 'dns', containerPort: 53, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: 53, protocol: 'TCP' },
      { name: 'metrics', containerPort: 9153, protocol: 'TCP' },
    ],
    readinessProbe: probe('/ready', 8181),
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsUser: 0,
      capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
    },
  }
  const term = { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: labels } }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: 2,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          serviceAccountName: 'coredns',
          priorityClassName: 'system-cluster-critical',
          // The default: it would ask itself.
          dnsPolicy: 'Default',
          affinity: {
            podAntiAffinity: {
              preferredDuringSchedulingIgnoredDuringExecution: [
                { weight: 100, podAffinityTerm: term },
              ],
            },
          },
          containers: [container],
          volumes: [{ name: 'config', configMap: { name: 'coredns' } }],
        },
      },
    },
  }
}

function service(): object {
  const port = (name: string, number: number, protocol: string, targetPort: string) => ({
    name,
    port: number,
    protocol,
    targetPort,
  })
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, name: 'kube-dns' },
    spec: {
      clusterIP: DNS_SERVICE,
      ipFamilyPolicy: 'PreferDualStack',
      selector: labels,
      ports: [
        port('dns', 53, 'UDP', 'dns'),
        port('dns-tcp', 53, 'TCP', 'dns-tcp'),
        port('metrics', 9153, 'TCP', 'metrics'),
      ],
    },
  }
}
