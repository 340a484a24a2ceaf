import {
  type Fields,
  hasField,
  portRange,
  readChoice,
  readFlag,
  readObject,
  readObjects,
  readText,
  readTexts,
  readWhole,
  reportField,
} from '../../model/fields.ts'
import type { IpAddress } from '../../model/resources.ts'
import type { ServiceFacts, ServicePortFacts } from './facts.ts'
import { protocolOf } from './protocol.ts'
import { readIp, readIps } from './read-ip.ts'
import { readMeta } from './read-meta.ts'

/** Kubernetes' default: three hours. */
const defaultAffinitySeconds = 10_800
const affinityRange = { min: 1, max: 86_400 }

/** Whoever sets it says that another proxy serves the service; kube-proxy leaves it alone then. */
const otherProxyLabel = 'service.kubernetes.io/service-proxy-name'

export function readService(fields: Fields): ServiceFacts {
  const spec = readObject(fields, 'spec')
  const meta = readMeta(fields, 'Service')
  const isAlias = readText(spec, 'type', 'ClusterIP') === 'ExternalName'
  const clusterIps = readClusterIps(spec)
  const ours = !isAlias && meta.labels[otherProxyLabel] === undefined
  return {
    ...meta,
    isAlias,
    clusterIps: ours ? clusterIps : [],
    externalIps: ours ? readExternalIps(fields, spec) : [],
    ports: readPorts(spec, isAlias),
    affinitySeconds: readAffinity(spec),
    internalTrafficPolicy: readPolicy(spec, 'internalTrafficPolicy'),
    externalTrafficPolicy: readPolicy(spec, 'externalTrafficPolicy'),
    publishNotReadyAddresses: readFlag(spec, 'publishNotReadyAddresses', false),
    trafficDistribution:
      distributions[readChoice(spec, 'trafficDistribution', distributionNames, '')],
  }
}

/** None for a headless service. */
function readClusterIps(spec: Fields): readonly IpAddress[] {
  const name = hasField(spec, 'clusterIPs') ? 'clusterIPs' : 'clusterIP'
  const written = name === 'clusterIPs' ? readTexts(spec, name) : [readText(spec, name, '')]
  if (written.every((ip) => ip === 'None' || ip === '')) return []
  return name === 'clusterIPs' ? readIps(spec, name) : [readIp(spec, name) ?? '']
}

/**
 * External IPs and those of load balancers. Not the latter where the balancer wants the traffic
 * itself (ipMode Proxy), nor where source ranges are set: those connections pass through, and
 * kube-proxy decides.
 */
function readExternalIps(fields: Fields, spec: Fields): readonly IpAddress[] {
  const ips = [...readIps(spec, 'externalIPs')]
  const balancer = readObject(readObject(fields, 'status'), 'loadBalancer')
  const restricted = readTexts(spec, 'loadBalancerSourceRanges').length > 0
  for (const ingress of readObjects(balancer, 'ingress')) {
    if (!hasField(ingress, 'ip')) continue
    const ip = readIp(ingress, 'ip')
    const captured = readText(ingress, 'ipMode', 'VIP') === 'VIP' && !restricted
    if (ip !== undefined && captured && !ips.includes(ip)) ips.push(ip)
  }
  return ips
}

function readPorts(spec: Fields, isAlias: boolean): readonly ServicePortFacts[] {
  const all = readObjects(spec, 'ports')
  const headless = readText(spec, 'clusterIP', '') === 'None'
  if (all.length === 0 && !isAlias && !headless) {
    reportField(spec, 'ports', 'is empty', 'name at least one port, or make the service headless')
  }
  const tcp = all.filter((port) => readText(port, 'protocol', 'TCP') === 'TCP')
  const seen = new Set<number | string>()
  return tcp.map((fields) => {
    const port = readWhole(fields, 'port', portRange)
    const name = readText(fields, 'name', '')
    for (const id of [port, name]) {
      if (seen.has(id)) {
        const what = typeof id === 'number' ? 'port' : 'name'
        reportField(fields, what, `is ${JSON.stringify(id)} twice`, 'give each port its own')
      }
      seen.add(id)
    }
    return { name, port, appProtocol: protocolOf(readText(fields, 'appProtocol', ''), name) }
  })
}

function readAffinity(spec: Fields): number {
  if (readChoice(spec, 'sessionAffinity', ['None', 'ClientIP'], 'None') === 'None') return 0
  const config = readObject(readObject(spec, 'sessionAffinityConfig'), 'clientIP')
  return readWhole(config, 'timeoutSeconds', affinityRange, defaultAffinitySeconds)
}

function readPolicy(spec: Fields, name: string): 'cluster' | 'local' {
  return readChoice(spec, name, ['Cluster', 'Local'], 'Cluster') === 'Local' ? 'local' : 'cluster'
}

const distributionNames = ['', 'PreferClose', 'PreferSameZone', 'PreferSameNode'] as const

/** PreferClose is the older name (KEP-3015). */
const distributions = {
  '': '',
  PreferClose: 'preferSameZone',
  PreferSameZone: 'preferSameZone',
  PreferSameNode: 'preferSameNode',
} as const
