// The operator's account with the rules that src/operator/README.md lists, and no more.
import type { KubeApi } from '../../../src/operator/kube/api.ts'
import { createServiceAccount } from './api-objects.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
  readonly resourceNames?: readonly string[]
}

export const clusterRules: readonly Rule[] = [
  rule('', ['namespaces', 'nodes', 'pods', 'services'], ['list', 'watch']),
  rule('discovery.k8s.io', ['endpointslices'], ['list', 'watch']),
  rule('node.k8s.io', ['runtimeclasses'], ['list', 'watch']),
  rule('sluice.dev', ['meshconfigs'], ['get', 'list', 'watch']),
  rule('sluice.dev', ['meshconfigs/status'], ['patch']),
  {
    ...rule('apiextensions.k8s.io', ['customresourcedefinitions'], ['list', 'watch']),
    resourceNames: [
      'httproutes.gateway.networking.k8s.io',
      'grpcroutes.gateway.networking.k8s.io',
      'xmeshes.gateway.networking.x-k8s.io',
      'trafficsplits.split.smi-spec.io',
      'traffictargets.access.smi-spec.io',
    ],
  },
  rule('gateway.networking.k8s.io', ['httproutes', 'grpcroutes'], ['list', 'watch']),
  rule('gateway.networking.k8s.io', ['httproutes/status'], ['patch']),
  rule('gateway.networking.x-k8s.io', ['xmeshes'], ['list', 'watch']),
  rule('gateway.networking.x-k8s.io', ['xmeshes/status'], ['patch']),
  rule('split.smi-spec.io', ['trafficsplits'], ['list', 'watch']),
  rule('access.smi-spec.io', ['traffictargets'], ['list', 'watch']),
  rule('', ['events'], ['create']),
  rule('authentication.k8s.io', ['tokenreviews'], ['create']),
]

export const ownRules: readonly Rule[] = [
  rule('', ['pods'], ['get']),
  rule('', ['secrets', 'configmaps'], ['create']),
  { ...rule('', ['secrets'], ['get', 'update']), resourceNames: ['sluice-serving-ca'] },
  { ...rule('', ['configmaps'], ['get', 'patch']), resourceNames: ['sluice-ca'] },
  rule('coordination.k8s.io', ['leases'], ['create']),
  {
    ...rule('coordination.k8s.io', ['leases'], ['get', 'update']),
    resourceNames: ['sluice-operator'],
  },
]

function rule(group: string, resources: readonly string[], verbs: readonly string[]): Rule {
  return { apiGroups: [group], resources, verbs }
}

/** @returns a token of the account */
export async function createOperatorAccount(api: KubeApi, namespace: string): Promise<string> {
  const name = 'sluice-operator'
  await createServiceAccount(api, namespace, name)
  const rbac = '/apis/rbac.authorization.k8s.io/v1'
  const create = async (kind: string, path: string, content: object) => {
    const metadata = { name }
    const body = { apiVersion: 'rbac.authorization.k8s.io/v1', kind, metadata, ...content }
    await api.call({ method: 'POST', path, body })
  }
  const subjects = [{ kind: 'ServiceAccount', name, namespace }]
  const ref = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name })
  const own = `${rbac}/namespaces/${namespace}`
  await create('ClusterRole', `${rbac}/clusterroles`, { rules: clusterRules })
  const roleRef = ref('ClusterRole')
  await create('ClusterRoleBinding', `${rbac}/clusterrolebindings`, { roleRef, subjects })
  await create('Role', `${own}/roles`, { rules: ownRules })
  await create('RoleBinding', `${own}/rolebindings`, { roleRef: ref('Role'), subjects })
  const { status } = (await api.call({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: {} },
  })) as { readonly status: { readonly token: string } }
  return status.token
}
