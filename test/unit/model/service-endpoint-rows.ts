// Which of a service's endpoints may get a connection.
import type { Row } from './service-row.ts'
import { draining, gone, nodes, notReady, on, three, zones } from './service-situations.ts'

const local = { internalTrafficPolicy: 'Local' }

export const readiness: readonly Row[] = [
  {
    situation: 'all endpoints are ready',
    source: 'Service API: ports are balanced over the endpoints',
    is: { slices: [{ endpoints: three }] },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'conditions are not said',
    source: 'EndpointSlice API: nil ready and serving mean true, nil terminating means false',
    is: { slices: [{ endpoints: [{ addresses: ['10.0.0.1'] }] }] },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'one is not ready',
    source: 'EndpointSlice API: conditions.ready',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1'), on('b', '10.0.0.2', notReady)] }] },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'one is ready, one is serving while it terminates',
    source: 'KEP-1669: terminating endpoints only when there is no ready one',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1'), on('b', '10.0.0.2', draining)] }] },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'none is ready, one is serving while it terminates',
    source: 'KEP-1669',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1', notReady), on('b', '10.0.0.2', draining)] }] },
    kubeProxy: '-> 10.0.0.2:8080',
  },
  {
    situation: 'all terminate and none is serving',
    source: 'KEP-1669; Service API: no endpoints, connection refused',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1', gone)] }] },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'serving but neither ready nor terminating',
    source: 'KEP-1669: serving counts for terminating endpoints alone',
    is: { slices: [{ endpoints: [on('a', '10.0.0.1', { ready: false, serving: true })] }] },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'publishNotReadyAddresses, and none is ready',
    source: 'Service API: agents disregard any indications of ready or not ready',
    is: {
      spec: { publishNotReadyAddresses: true },
      slices: [{ endpoints: [on('a', '10.0.0.1', notReady)] }],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'no EndpointSlice at all',
    source: 'Service docs: without endpoints connections are refused (REJECT)',
    is: {},
    kubeProxy: 'refused (noEndpoints)',
  },
]

export const policies: readonly Row[] = [
  {
    situation: 'internalTrafficPolicy Local, an endpoint on the node',
    source: 'KEP-2086',
    is: { spec: local, slices: [{ endpoints: three }] },
    connect: { node: 'b' },
    kubeProxy: '-> 10.0.0.2:8080',
  },
  {
    situation: 'internalTrafficPolicy Local, none on the node',
    source: 'KEP-2086: traffic is dropped',
    is: { spec: local, slices: [{ endpoints: three }] },
    connect: { node: 'd' },
    kubeProxy: 'dropped',
    ours: {
      outcome: 'refused (noLocalEndpoints)',
      because: 'the proxy has accepted before it chooses; a reset tells the app at once',
    },
  },
  {
    situation: 'internalTrafficPolicy Local, the one on the node terminates, others are ready',
    source: 'KEP-1669: terminating endpoints are considered for each policy by itself',
    is: {
      spec: local,
      slices: [{ endpoints: [on('a', '10.0.0.1', draining), on('b', '10.0.0.2')] }],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'internalTrafficPolicy Local, no endpoint anywhere',
    source: 'KEP-2086; pkg/proxy/topology.go: hasAnyEndpoints is false, so REJECT',
    is: { spec: local, slices: [{ endpoints: [on('a', '10.0.0.1', notReady)] }] },
    kubeProxy: 'refused (noEndpoints)',
  },
  {
    situation: 'internalTrafficPolicy Local, and an endpoint whose node is not said',
    source: 'EndpointSlice API: nodeName is optional; KEP-2086: it is local to no node',
    is: { spec: local, slices: [{ endpoints: [{ addresses: ['10.0.0.1'] }] }] },
    connect: { node: '' },
    kubeProxy: 'dropped',
    ours: { outcome: 'refused (noLocalEndpoints)', because: 'as above' },
  },
  {
    situation: 'internalTrafficPolicy Local ignores zone hints',
    source: 'KEP-2433: hints are for the Cluster policy',
    is: {
      spec: local,
      slices: [
        {
          endpoints: [
            on('a', '10.0.0.1', {}, zones('zone-b')),
            on('b', '10.0.0.2', {}, zones('zone-a')),
          ],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
]

const hinted = [
  on('a', '10.0.0.1', {}, zones('zone-a')),
  on('b', '10.0.0.2', {}, zones('zone-b')),
  on('c', '10.0.0.3', {}, zones('zone-a', 'zone-c')),
]

export const topology: readonly Row[] = [
  {
    situation: 'every endpoint has a zone hint',
    source: 'KEP-2433, KEP-4444',
    is: { spec: { trafficDistribution: 'PreferClose' }, slices: [{ endpoints: hinted }] },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.3:8080',
  },
  {
    situation: 'one endpoint has no zone hint',
    source: 'KEP-2433: safeguards, all hints are ignored',
    is: { slices: [{ endpoints: [...hinted, on('d', '10.0.0.4')] }] },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080 10.0.0.4:8080',
  },
  {
    situation: 'one endpoint has no hint, but is not ready',
    source: 'pkg/proxy/topology.go: only ready endpoints are looked at',
    is: { slices: [{ endpoints: [...hinted, on('d', '10.0.0.4', notReady)] }] },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.3:8080',
  },
  {
    situation: 'no endpoint is for the zone of the client',
    source: 'KEP-2433: safeguards',
    is: { slices: [{ endpoints: hinted }] },
    connect: { node: 'd' },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'the node has no zone',
    source: 'KEP-2433: safeguards',
    is: { slices: [{ endpoints: hinted }] },
    connect: { zone: '' },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'trafficDistribution is set, but nobody has made hints',
    source: 'KEP-4444: the controller makes hints, kube-proxy follows them alone',
    is: { spec: { trafficDistribution: 'PreferSameZone' }, slices: [{ endpoints: three }] },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080',
  },
  {
    situation: 'every endpoint has a node hint, one for this node',
    source: 'KEP-3015',
    is: {
      spec: { trafficDistribution: 'PreferSameNode' },
      slices: [
        {
          endpoints: [
            on('a', '10.0.0.1', {}, { ...nodes('a'), ...zones('zone-a') }),
            on('b', '10.0.0.2', {}, { ...nodes('b'), ...zones('zone-a') }),
          ],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'node hints for other nodes, zone hints for this zone',
    source: 'KEP-3015: falls back to the zone, then to all',
    is: {
      slices: [
        {
          endpoints: [
            on('b', '10.0.0.1', {}, { ...nodes('b'), ...zones('zone-a') }),
            on('c', '10.0.0.2', {}, { ...nodes('c'), ...zones('zone-c') }),
          ],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080',
  },
  {
    situation: 'the only ready endpoint is for another zone, one of this zone terminates',
    source: 'pkg/proxy/topology.go: topology is given up before readiness is',
    is: {
      slices: [
        {
          endpoints: [
            on('a', '10.0.0.1', draining, zones('zone-a')),
            on('b', '10.0.0.2', {}, zones('zone-b')),
          ],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.2:8080',
  },
  {
    situation: 'all terminate: hints do not count',
    source: 'pkg/proxy/topology.go',
    is: {
      slices: [
        {
          endpoints: [
            on('a', '10.0.0.1', draining, zones('zone-a')),
            on('b', '10.0.0.2', draining, zones('zone-b')),
          ],
        },
      ],
    },
    kubeProxy: '-> 10.0.0.1:8080 10.0.0.2:8080',
  },
]
