import { isIPv6 } from 'node:net'
import { POD_NETWORK_V4, POD_NETWORK_V6 } from '../net/addresses.ts'
import type {
  EndpointSliceObject,
  IpFamily,
  ServiceObject,
  ServicePortObject,
  SliceEndpoint,
} from './objects.ts'

/** One service port of one family, as kube-proxy sees it. */
interface Frontend {
  readonly id: string
  readonly clusterIP: string | undefined
  readonly externalIPs: readonly string[]
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly affinitySeconds: number
  readonly verdict: 'balance' | 'reject' | 'drop'
  readonly backends: readonly {
    readonly id: string
    readonly address: string
    readonly port: number
  }[]
}

/** A ruleset and the names in it that a later one may have to delete. */
export interface ProxyRules {
  readonly text: string
  readonly chains: readonly string[]
  readonly sets: readonly string[]
}

const MASQUERADE_MARK = '0x4000'

/**
 * nftables rules that do what kube-proxy's nftables mode does (pkg/proxy/nftables): translate
 * service addresses to ready endpoints at random, masquerade what would come back another way,
 * refuse where there is no endpoint. One transaction; client affinity survives it.
 * @param previous what the node has, from the last call for this family
 */
export function proxyRules(
  node: string,
  family: IpFamily,
  services: readonly ServiceObject[],
  slices: readonly EndpointSliceObject[],
  previous: ProxyRules | undefined,
): ProxyRules {
  const fronts = services.flatMap((service) => frontendsOf(service, slices, family, node))
  const syntax = family === 'IPv4' ? V4 : V6
  const chains = [...baseChains(syntax), ...fronts.flatMap((front) => serviceChains(front, syntax))]
  const sets = fronts
    .filter((front) => front.affinitySeconds > 0)
    .flatMap((front) =>
      front.backends.map(({ id }) => ({ name: `affinity-${id}`, seconds: front.affinitySeconds })),
    )
  const names = { chains: chains.map(({ name }) => name), sets: sets.map(({ name }) => name) }
  const table = `${syntax.table} kube-proxy`
  const gone = (before: readonly string[] = [], now: readonly string[]) =>
    before.filter((name) => !now.includes(name))
  const lines = [
    `add table ${table}`,
    ...MAPS.map(
      (map) =>
        `add map ${table} ${map} { type ${syntax.type} . inet_proto . inet_service : verdict ; }`,
    ),
    `flush table ${table}`,
    ...MAPS.map((map) => `flush map ${table} ${map}`),
    ...sets.map(
      ({ name, seconds }) =>
        `add set ${table} ${name} { type ${syntax.type} ; ${affinityFlags(seconds)} }`,
    ),
    ...chains.map(({ name, hook }) => `add chain ${table} ${name} ${hook ?? ''}`),
    ...chains.flatMap(({ name, rules }) =>
      rules.map((rule) => `add rule ${table} ${name} ${rule}`),
    ),
    ...fronts.flatMap((front) =>
      mapElements(front).map(([map, element]) => `add element ${table} ${map} { ${element} }`),
    ),
    ...gone(previous?.chains, names.chains).map((name) => `delete chain ${table} ${name}`),
    ...gone(previous?.sets, names.sets).map((name) => `delete set ${table} ${name}`),
  ]
  return { text: `${lines.join('\n')}\n`, ...names }
}

interface Syntax {
  readonly table: 'ip' | 'ip6'
  readonly type: string
  readonly podNetwork: string
  readonly target: (address: string, port: number) => string
}

const V4: Syntax = {
  table: 'ip',
  type: 'ipv4_addr',
  podNetwork: POD_NETWORK_V4,
  target: (address, port) => `${address}:${port}`,
}
const V6: Syntax = {
  table: 'ip6',
  type: 'ipv6_addr',
  podNetwork: POD_NETWORK_V6,
  target: (address, port) => `[${address}]:${port}`,
}

/** An entry lasts that long after its client's last new connection. */
function affinityFlags(seconds: number): string {
  return `flags dynamic,timeout ; timeout ${seconds}s ;`
}

const MAPS = ['service-ips', 'no-endpoints']

interface Chain {
  readonly name: string
  readonly hook?: string
  readonly rules: readonly string[]
}

function baseChains({ table, podNetwork }: Syntax): Chain[] {
  const lookup = (map: string) => `${table} daddr . meta l4proto . th dport vmap @${map}`
  const refuse = ['input', 'forward', 'output'].map((hook) => ({
    name: `filter-${hook}`,
    hook: `{ type filter hook ${hook} priority -110 ; }`,
    rules: [`ct state new ${lookup('no-endpoints')}`],
  }))
  return [
    { name: 'mark-for-masquerade', rules: [`meta mark set meta mark or ${MASQUERADE_MARK}`] },
    { name: 'reject-it', rules: ['reject'] },
    {
      name: 'nat-prerouting',
      hook: '{ type nat hook prerouting priority dstnat ; }',
      rules: [lookup('service-ips')],
    },
    {
      name: 'nat-output',
      hook: '{ type nat hook output priority -100 ; }',
      rules: [lookup('service-ips')],
    },
    {
      name: 'nat-postrouting',
      hook: '{ type nat hook postrouting priority srcnat ; }',
      rules: [
        `meta mark and ${MASQUERADE_MARK} != 0 masquerade fully-random`,
        // Not kube-proxy's but the CNI plugin's: what leaves the cluster has the node's address.
        `${table} saddr ${podNetwork} ${table} daddr != ${podNetwork} oifname eth0 masquerade`,
      ],
    },
    ...refuse,
  ]
}

function serviceChains(front: Frontend, { table, podNetwork, target }: Syntax): Chain[] {
  if (front.verdict !== 'balance') return []
  const sticky = front.affinitySeconds > 0
  const goto = ({ id }: { readonly id: string }) => `goto endpoint-${id}`
  const choices = front.backends.map((backend, index) => `${index} : ${goto(backend)}`).join(', ')
  const outside = `${table} saddr != ${podNetwork}`
  const fromOutside = `${table} daddr ${front.clusterIP} ${outside} jump mark-for-masquerade`
  const service = [
    ...(front.clusterIP === undefined ? [] : [fromOutside]),
    ...(sticky
      ? front.backends.map((backend) => `${table} saddr @affinity-${backend.id} ${goto(backend)}`)
      : []),
    `numgen random mod ${front.backends.length} vmap { ${choices} }`,
  ]
  return [
    ...front.backends.map(({ id, address, port }) => ({
      name: `endpoint-${id}`,
      rules: [
        // A pod that reaches itself must see another source, or it answers itself past us.
        `${table} saddr ${address} jump mark-for-masquerade`,
        ...(sticky ? [`update @affinity-${id} { ${table} saddr }`] : []),
        `meta l4proto ${front.protocol} dnat to ${target(address, port)}`,
      ],
    })),
    { name: `service-${front.id}`, rules: service },
    {
      name: `external-${front.id}`,
      rules: ['jump mark-for-masquerade', `goto service-${front.id}`],
    },
  ]
}

function mapElements(front: Frontend): [string, string][] {
  const { clusterIP, protocol, port, verdict, id } = front
  const key = (ip: string) => `${ip} . ${protocol} . ${port}`
  const own = clusterIP === undefined ? [] : [clusterIP]
  if (verdict !== 'balance') {
    const action = verdict === 'reject' ? 'goto reject-it' : 'drop'
    return [...own, ...front.externalIPs].map((ip) => ['no-endpoints', `${key(ip)} : ${action}`])
  }
  return [
    ...own.map((ip): [string, string] => ['service-ips', `${key(ip)} : goto service-${id}`]),
    ...front.externalIPs.map((ip): [string, string] => [
      'service-ips',
      `${key(ip)} : goto external-${id}`,
    ]),
  ]
}

function frontendsOf(
  service: ServiceObject,
  slices: readonly EndpointSliceObject[],
  family: IpFamily,
  node: string,
): Frontend[] {
  const ofFamily = (ip: string) => isIPv6(ip) === (family === 'IPv6')
  const clusterIP = service.spec.clusterIPs.find((ip) => ip !== 'None' && ofFamily(ip))
  const externalIPs = (service.spec.externalIPs ?? []).filter(ofFamily)
  if (clusterIP === undefined && externalIPs.length === 0) return []
  const own = slices.filter(
    (slice) =>
      slice.addressType === family &&
      slice.metadata.namespace === service.metadata.namespace &&
      slice.metadata.labels['kubernetes.io/service-name'] === service.metadata.name,
  )
  return service.spec.ports.map((port) => {
    const { namespace, name } = service.metadata
    const id = `${namespace}-${name}-${port.protocol.toLowerCase()}-${port.port}`
    const { verdict, backends } = choose(backendsOf(own, port), service, node)
    return {
      id,
      clusterIP,
      externalIPs,
      protocol: port.protocol === 'TCP' ? 'tcp' : 'udp',
      port: port.port,
      affinitySeconds: service.spec.sessionAffinityConfig?.clientIP.timeoutSeconds ?? 0,
      verdict,
      backends: backends.map(({ address, targetPort }) => ({
        id: `${id}-${address.replaceAll(':', '_')}-${targetPort}`,
        address,
        port: targetPort,
      })),
    }
  })
}

interface Backend {
  readonly endpoint: SliceEndpoint
  readonly address: string
  readonly targetPort: number
}

function backendsOf(slices: readonly EndpointSliceObject[], port: ServicePortObject): Backend[] {
  return slices.flatMap((slice) => {
    const target = slice.ports.find(
      ({ name, protocol }) => name === (port.name ?? '') && protocol === port.protocol,
    )
    if (target === undefined) return []
    return slice.endpoints.flatMap((endpoint) =>
      endpoint.addresses.map((address) => ({ endpoint, address, targetPort: target.port })),
    )
  })
}

/**
 * Ready ones; where there is none, those that terminate but still serve (pkg/proxy/topology.go).
 */
function usable(backends: readonly Backend[]): readonly Backend[] {
  const ready = backends.filter(({ endpoint }) => endpoint.conditions.ready)
  if (ready.length > 0) return ready
  return backends.filter(
    ({ endpoint: { conditions } }) => conditions.serving && conditions.terminating,
  )
}

function choose(
  all: readonly Backend[],
  service: ServiceObject,
  node: string,
): Pick<Frontend, 'verdict'> & { readonly backends: readonly Backend[] } {
  const anywhere = usable(all)
  if (anywhere.length === 0) return { verdict: 'reject', backends: [] }
  if (service.spec.internalTrafficPolicy === 'Cluster')
    return { verdict: 'balance', backends: anywhere }
  const here = usable(all.filter(({ endpoint }) => endpoint.nodeName === node))
  // Endpoints elsewhere only: kube-proxy drops, it does not refuse.
  return here.length > 0
    ? { verdict: 'balance', backends: here }
    : { verdict: 'drop', backends: [] }
}
