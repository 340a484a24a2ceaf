// Which addresses and ports are a service's, and how its slices are joined.
import type { Row } from './service-row.ts'
import { notReady, on, three } from './service-situations.ts'

const local = { internalTrafficPolicy: 'Local' }
export const ports: readonly Row[] = [
  {
    situation: 'a port the service does not have',
    source: 'KEP-3866 (nftables mode): cluster IPs reject on ports that are not theirs',
    is: { slices: [{ endpoints: three }] },
    connect: { port: 81 },
    kubeProxy: 'refused (noSuchPort)',
  },
  {
    situation: 'the port is for UDP',
    source: 'Service API: port and protocol together name a service port',
    is: {
      spec: { ports: [{ name: 'dns', port: 80, protocol: 'UDP' }] },
      slices: [{ endpoints: three }],
    },
    kubeProxy: 'refused (noSuchPort)',
  },
  {
    situation: 'one number for TCP and UDP',
    source: 'Service API',
    is: {
      spec: {
        ports: [
          { name: 'dns', port: 80, protocol: 'UDP' },
          { name: 'http', port: 80 },
        ],
      },
      slices: [
        {
          ports: [
            { name: 'dns', port: 5353, protocol: 'UDP' },
            { name: 'http', port: 8080 },
          ],
          endpoints: [on('a', '10.0.0.1')],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'a named target port that pods number differently',
    source: 'Service docs: the name may map to other numbers in each pod',
    is: {
      spec: { ports: [{ name: 'http', port: 80, targetPort: 'web' }] },
      slices: [
        { endpoints: [on('a', '10.0.0.1')] },
        { ports: [{ name: 'http', port: 3000 }], endpoints: [on('b', '10.0.0.2')] },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:3000',
  },
  {
    situation: 'one endpoint does not have the port',
    source: 'EndpointSlice API: ports are those of every endpoint of the slice',
    is: {
      spec: {
        ports: [
          { name: 'http', port: 80 },
          { name: 'admin', port: 81 },
        ],
      },
      slices: [
        {
          ports: [
            { name: 'http', port: 8080 },
            { name: 'admin', port: 9000 },
          ],
          endpoints: [on('a', '10.0.0.1')],
        },
        { endpoints: [on('b', '10.0.0.2')] },
      ],
    },
    connect: { port: 81 },
    kubeProxy: '-> 10.0.0.1:9000',
  },
  {
    situation: 'the port has no endpoints while another has',
    source: 'Service docs: endpoints are of a port (ServicePortName)',
    is: {
      spec: {
        ports: [
          { name: 'http', port: 80 },
          { name: 'admin', port: 81 },
        ],
      },
      slices: [{ endpoints: three }],
    },
    connect: { port: 81 },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'an endpoint port without a number',
    source: 'pkg/proxy/endpointslicecache.go: ignored',
    is: { slices: [{ ports: [{ name: 'http' }], endpoints: three }] },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'a port without a name, in a service with one port',
    source: 'Service API: the name is optional then, and empty in the slice',
    is: {
      spec: { ports: [{ port: 80, targetPort: 8080 }] },
      slices: [{ ports: [{ port: 8080 }], endpoints: [on('a', '10.0.0.1')] }],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
]

export const slices: readonly Row[] = [
  {
    situation: 'several slices',
    source: 'KEP-752: consumers join all slices of a service',
    is: { slices: three.map((endpoint) => ({ endpoints: [endpoint] })) },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'an endpoint in two slices while it is moved',
    source: 'EndpointSlice docs: duplicates may occur, consumers must deduplicate',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1')] }, { endpoints: [on('a', '10.0.0.1')] }] },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'an endpoint in two slices that do not agree on its readiness',
    source: 'pkg/proxy/endpointslicecache.go: one of the two, whichever is met first',
    is: {
      slices: [
        { endpoints: [on('a', '10.0.0.1', notReady)] },
        { endpoints: [on('a', '10.0.0.1')] },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'several addresses in one endpoint',
    source: 'EndpointSlice API: fungible, kube-proxy uses the first',
    is: { slices: [{ endpoints: [{ addresses: ['10.0.0.1', '10.0.0.9'] }] }] },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'no selector, endpoints outside the cluster',
    source: 'Service docs: services without selectors',
    is: { slices: [{ endpoints: [{ addresses: ['192.0.2.80'] }] }] },
    kubeProxy: '-> 192.0.2.80:8080',
  },
]

const dual = { clusterIPs: ['10.96.0.1', 'fd00:10:96::1'], ipFamilies: ['IPv4', 'IPv6'] }
const dualSlices = [
  { endpoints: [on('a', '10.0.0.1')] },
  { addressType: 'IPv6', endpoints: [on('a', 'fd00::1')] },
] as const

export const addresses: readonly Row[] = [
  {
    situation: 'dual stack, the IPv4 address',
    source: 'KEP-563: the family of the cluster IP is that of the endpoints',
    is: { spec: dual, slices: dualSlices },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'dual stack, the IPv6 address',
    source: 'KEP-563',
    is: { spec: dual, slices: dualSlices },
    connect: { ip: 'fd00:10:96::1' },
    kubeProxy: '-> [fd00::1]:8080',
  },
  {
    situation: 'dual stack, endpoints of the other family alone',
    source: 'KEP-563: no translation between families',
    is: { spec: dual, slices: dualSlices.slice(0, 1) },
    connect: { ip: 'fd00:10:96::1' },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'an external IP',
    source: 'Service API: externalIPs',
    is: { spec: { externalIPs: ['192.0.2.1'] }, slices: [{ endpoints: three }] },
    connect: { ip: '192.0.2.1' },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'an external IP, another port',
    source: 'Service API: only the ports of the service are its',
    is: { spec: { externalIPs: ['192.0.2.1'] }, slices: [{ endpoints: three }] },
    connect: { ip: '192.0.2.1', port: 22 },
    kubeProxy: 'passes through',
  },
  {
    situation: 'an external IP from a pod, externalTrafficPolicy Local',
    source: 'Service docs: from inside the cluster the external policy is as Cluster',
    is: {
      spec: { externalIPs: ['192.0.2.1'], externalTrafficPolicy: 'Local' },
      slices: [{ endpoints: [on('b', '10.0.0.2')] }],
    },
    connect: { ip: '192.0.2.1' },
    kubeProxy: '-> 10.0.0.2:8080',
  },
  {
    situation: 'an external IP, internalTrafficPolicy Local',
    source: 'KEP-2086: the internal policy is for the cluster IP alone',
    is: { spec: { ...local, externalIPs: ['192.0.2.1'] }, slices: [{ endpoints: three }] },
    connect: { ip: '192.0.2.1', node: 'a' },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'the address of a load balancer',
    source: 'KEP-1860: ipMode VIP is short-cut',
    is: {
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'VIP' }] } },
      slices: [{ endpoints: [on('a', '10.0.0.1')] }],
    },
    connect: { ip: '203.0.113.1' },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'the address of a load balancer that wants its traffic',
    source: 'KEP-1860: ipMode Proxy is not short-cut',
    is: {
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'Proxy' }] } },
      slices: [{ endpoints: three }],
    },
    connect: { ip: '203.0.113.1' },
    kubeProxy: 'passes through',
  },
  {
    situation: 'the address of a load balancer with source ranges',
    source: 'Service API: loadBalancerSourceRanges',
    is: {
      spec: { loadBalancerSourceRanges: ['198.51.100.0/24'] },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1' }] } },
      slices: [{ endpoints: [on('a', '10.0.0.1')] }],
    },
    connect: { ip: '203.0.113.1' },
    kubeProxy: '-> 10.0.0.1:8080 if the client is in the ranges',
    ours: {
      outcome: 'passes through',
      because: 'the connection leaves the pod as it is, so kube-proxy itself decides',
    },
  },
  {
    situation: 'a headless service has no address: its pod is called',
    source: 'Service docs: kube-proxy does not handle headless services',
    is: { spec: { clusterIP: 'None', clusterIPs: ['None'] }, slices: [{ endpoints: three }] },
    connect: { ip: '10.0.0.1', port: 8080 },
    kubeProxy: 'passes through',
  },
  {
    situation: 'ExternalName',
    source: 'Service docs: DNS alone',
    is: {
      spec: {
        type: 'ExternalName',
        externalName: 'example.com',
        clusterIPs: undefined,
        ports: undefined,
      },
    },
    connect: { ip: '203.0.113.9' },
    kubeProxy: 'passes through',
  },
  {
    situation: "the service is another proxy's",
    source: 'well-known labels: service.kubernetes.io/service-proxy-name',
    is: {
      labels: { 'service.kubernetes.io/service-proxy-name': 'x' },
      slices: [{ endpoints: three }],
    },
    kubeProxy: 'passes through',
  },
  {
    situation: "a NodePort on the node's address",
    source: 'Service docs: NodePort',
    is: {
      spec: { type: 'NodePort', ports: [{ name: 'http', port: 80, nodePort: 30080 }] },
      slices: [{ endpoints: [on('a', '10.0.0.1')] }],
    },
    connect: { ip: '172.18.0.10', port: 30080 },
    kubeProxy: '-> 10.0.0.1:8080',
    ours: {
      outcome: 'passes through',
      because: 'kube-proxy on the node translates it, as for any client',
    },
  },
]

export const affinity: readonly Row[] = [
  {
    situation: 'sessionAffinity ClientIP',
    source: 'Service API: timeoutSeconds is 10800 unless told',
    is: { spec: { sessionAffinity: 'ClientIP' }, slices: [{ endpoints: three.slice(0, 1) }] },
    kubeProxy: '-> 10.0.0.1:8080, one a client for 10800 s',
  },
  {
    situation: 'sessionAffinity ClientIP with a time of its own',
    source: 'Service API: sessionAffinityConfig',
    is: {
      spec: {
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } },
      },
      slices: [{ endpoints: three }],
    },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080, one a client for 60 s',
  },
]
