// Objects that are refused, or told on, as tests of the command write them.

export const meshConfig = (name: string, spec: object) => ({
  apiVersion: 'sluice.dev/v1alpha1',
  kind: 'MeshConfig',
  metadata: { name },
  spec,
})

/** Of the namespace shop, with one endpoint. */
export const slice = (name: string, service: string, endpoint: object) => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080 }],
  endpoints: [{ addresses: ['10.244.1.250'], ...endpoint }],
})

export const service = (name: string, spec: object) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop' },
  spec,
})
