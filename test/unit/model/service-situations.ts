// Kubernetes objects by what matters of them, and what becomes of a connection to a service made of
// them.
import { destinationOf } from '../../../src/model/destination.ts'
import { serviceEndpoints } from '../../../src/model/service-endpoints.ts'
import { emptyTables } from '../../../src/model/tables.ts'
import { compile } from '../../../src/operator/compile/compile.ts'

export interface SliceSpec {
  readonly addressType?: 'IPv4' | 'IPv6'
  readonly ports?: readonly object[]
  readonly endpoints: readonly object[]
}

export interface Situation {
  readonly spec?: object
  readonly status?: object
  readonly labels?: Readonly<Record<string, string>>
  /** Others beside the service `web`, whole. */
  readonly others?: readonly object[]
  readonly slices?: readonly SliceSpec[]
}

export interface Connection {
  readonly ip?: string
  readonly port?: number
  readonly node?: string
  readonly zone?: string
}

export const clusterIp = '10.96.0.1'

/** An endpoint that is ready, on a node and in a zone that is called after it. */
export function on(node: string, ip: string, conditions: object = {}, hints: object = {}): object {
  return { addresses: [ip], nodeName: node, zone: `zone-${node}`, conditions, hints }
}

export function zones(...names: readonly string[]): object {
  return { forZones: names.map((name) => ({ name })) }
}

export function nodes(...names: readonly string[]): object {
  return { forNodes: names.map((name) => ({ name })) }
}

export const notReady = { ready: false, serving: false, terminating: false }
export const draining = { ready: false, serving: true, terminating: true }
export const gone = { ready: false, serving: false, terminating: true }

export const three = [on('a', '10.0.0.1'), on('b', '10.0.0.2'), on('c', '10.0.0.3')]

/**
 * Compiles the situation and follows a connection to it.
 * @returns `-> address:port …` for those it may go to, `refused (why)`, or `passes through`; and
 * the trace
 */
export function follow(
  situation: Situation,
  connection: Connection,
): { outcome: string; trace: string } {
  const { ip = clusterIp, port = 80, node = 'a', zone = `zone-${node}` } = connection
  const { resources, problems } = compile(objectsOf(situation))
  const errors = problems.filter(({ severity }) => severity === 'error')
  const tables = emptyTables.with({ upserts: resources, removals: [] })
  const address = { network: 'default', ip }
  const destination = destinationOf(tables, address, port)
  const trace = JSON.stringify({ connection, errors, destination }, null, 2)
  if (destination.kind === 'outside' || destination.kind === 'workload') {
    return { outcome: 'passes through', trace }
  }
  if (destination.kind === 'noSuchPort') return { outcome: 'refused (noSuchPort)', trace }
  const choice = serviceEndpoints(destination.service, { address, port, node, zone })
  if (choice.kind === 'refused') return { outcome: `refused (${choice.reason})`, trace }
  const targets = choice.targets.map(({ address: to, port: target }) =>
    to.ip.includes(':') ? `[${to.ip}]:${target}` : `${to.ip}:${target}`,
  )
  const sticky =
    choice.affinity === undefined ? '' : `, one a client for ${choice.affinity.timeoutSeconds} s`
  return { outcome: `-> ${targets.join(' ')}${sticky}`, trace }
}

function objectsOf({
  spec,
  status,
  labels,
  others = [],
  slices = [],
}: Situation): readonly object[] {
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'shop', ...(labels === undefined ? {} : { labels }) },
    spec: {
      clusterIPs: [clusterIp],
      ports: [{ name: 'http', port: 80, targetPort: 8080 }],
      ...spec,
    },
    status: status ?? {},
  }
  const made = slices.map(({ addressType = 'IPv4', ports, endpoints }, index) => ({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `web-${index}`,
      namespace: 'shop',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType,
    ports: ports ?? [{ name: 'http', port: 8080, protocol: 'TCP' }],
    endpoints,
  }))
  return [service, ...others, ...made]
}
