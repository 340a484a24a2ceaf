// CRDs of other projects as far as the API server's own work goes: defaults, merge keys, the status
// subresource. What is in a route is left open.
import type { KubeApi } from '../../../src/operator/kube/api.ts'

const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'

const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }

const pending = (type: string) => ({
  type,
  status: 'Unknown',
  reason: 'Pending',
  message: 'Waiting for controller',
  lastTransitionTime: '1970-01-01T00:00:00Z',
})

const condition = {
  type: 'object',
  required: ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
  properties: {
    type: { type: 'string', maxLength: 316 },
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: { type: 'string', minLength: 1, pattern: '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$' },
    message: { type: 'string', maxLength: 32_768 },
    observedGeneration: { type: 'integer', format: 'int64', minimum: 0 },
    lastTransitionTime: { type: 'string', format: 'date-time' },
  },
}

const meshSchema = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['controllerName'],
      properties: { controllerName: { type: 'string' }, parametersRef: open },
    },
    status: {
      type: 'object',
      default: { conditions: [pending('Accepted')] },
      properties: {
        conditions: {
          type: 'array',
          maxItems: 8,
          default: [pending('Accepted'), pending('Programmed')],
          items: condition,
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
        },
        supportedFeatures: {
          type: 'array',
          maxItems: 64,
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' } },
          },
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
        },
      },
    },
  },
}

const routeSchema = {
  type: 'object',
  properties: {
    spec: open,
    status: {
      type: 'object',
      required: ['parents'],
      properties: {
        parents: {
          type: 'array',
          maxItems: 32,
          'x-kubernetes-list-type': 'atomic',
          items: {
            type: 'object',
            required: ['parentRef', 'controllerName', 'conditions'],
            properties: {
              parentRef: open,
              controllerName: { type: 'string' },
              conditions: {
                type: 'array',
                minItems: 1,
                maxItems: 8,
                items: condition,
                'x-kubernetes-list-type': 'map',
                'x-kubernetes-list-map-keys': ['type'],
              },
            },
          },
        },
      },
    },
  },
}

function crd(
  group: string,
  names: { readonly kind: string; readonly plural: string },
  versions: readonly string[],
  scope: 'Namespaced' | 'Cluster',
  schema: object,
) {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: {
      name: `${names.plural}.${group}`,
      annotations: {
        'api-approved.kubernetes.io': 'https://github.com/kubernetes-sigs/gateway-api/pull/4530',
        'gateway.networking.k8s.io/bundle-version': 'v1.6.3',
        'gateway.networking.k8s.io/channel': 'experimental',
      },
    },
    spec: {
      group,
      scope,
      names,
      versions: versions.map((name, index) => ({
        name,
        served: true,
        storage: index === 0,
        subresources: { status: {} },
        schema: { openAPIV3Schema: schema },
      })),
    },
  }
}

export const httpRouteCrd = (versions: readonly string[]) =>
  crd(
    'gateway.networking.k8s.io',
    { kind: 'HTTPRoute', plural: 'httproutes' },
    versions,
    'Namespaced',
    routeSchema,
  )

export const meshCrd = crd(
  'gateway.networking.x-k8s.io',
  { kind: 'XMesh', plural: 'xmeshes' },
  ['v1alpha1'],
  'Cluster',
  meshSchema,
)

export async function install(api: KubeApi, body: object): Promise<void> {
  await api.call({ method: 'POST', path, body })
}

export async function uninstall(api: KubeApi, name: string): Promise<void> {
  await api.call({ method: 'DELETE', path: `${path}/${name}` })
}
