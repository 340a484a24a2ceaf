import { existsSync } from 'node:fs'
import { netnsName, netnsPath } from '../names.ts'
import { type Addresses, routerAddresses } from './addresses.ts'
import { ipBatch } from './ip.ts'

export const BRIDGE = 'br0'

/** The network between the nodes: a bridge in a namespace of its own. */
export interface Fabric {
  readonly netns: string
}

/** A namespace with one interface on the fabric. */
export interface FabricMember {
  readonly netns: string
  /** The interface's other end, a port of the bridge. */
  readonly port: string
  readonly addresses: Addresses
  /** Besides those of the fabric itself. */
  readonly routes: readonly string[]
  readonly sysctls: Readonly<Record<string, string>>
}

/**
 * The bridge is the members' default router too: a node without a route would refuse what the real
 * network swallows. The namespace is there already: all of a lab's are made in one go.
 */
export async function buildFabric(lab: string, ipv6: boolean): Promise<Fabric> {
  const netns = netnsPath(netnsName(lab, 'fabric'))
  const { v4, v6 } = routerAddresses(ipv6)
  const lines = [
    `link add ${BRIDGE} type bridge forward_delay 0 mcast_snooping 0`,
    `link set ${BRIDGE} up`,
    `address add ${v4}/24 dev ${BRIDGE}`,
    ...(v6 === undefined ? [] : [`address add ${v6}/64 dev ${BRIDGE} nodad`]),
  ]
  // Where the bridge module's netfilter hooks are loaded, frames would pass the IP hooks as well.
  const bridgeHooks = existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')
  const sysctls: Record<string, string> = bridgeHooks
    ? { 'net.bridge.bridge-nf-call-iptables': '0', 'net.bridge.bridge-nf-call-ip6tables': '0' }
    : {}
  await ipBatch(netns, lines, sysctls)
  return { netns }
}

/** Puts members on the bridge, with their addresses and routes, in one process a namespace. */
export async function joinFabric(fabric: Fabric, members: readonly FabricMember[]): Promise<void> {
  await ipBatch(
    fabric.netns,
    members.flatMap(({ port, netns }) => [
      `link add ${port} type veth peer name eth0 netns ${netns}`,
      // No address of its own: it would only answer multicast with noise.
      `link set ${port} addrgenmode none`,
      `link set ${port} master ${BRIDGE} up`,
    ]),
  )
  await Promise.all(members.map(configureMember))
}

async function configureMember({ netns, addresses, routes, sysctls }: FabricMember): Promise<void> {
  const router = routerAddresses(addresses.v6 !== undefined)
  const lines = [
    'link set lo up',
    'link set eth0 up',
    `address add ${addresses.v4}/24 dev eth0`,
    `route add default via ${router.v4}`,
  ]
  if (addresses.v6 !== undefined) {
    // Without duplicate address detection, which would keep every address unusable for a second.
    lines.push(
      `address add ${addresses.v6}/64 dev eth0 nodad`,
      `route add default via ${router.v6}`,
    )
  }
  const quick = addresses.v6 === undefined ? {} : { 'net.ipv6.conf.eth0.accept_dad': '0' }
  await ipBatch(netns, [...lines, ...routes], { ...quick, ...sysctls })
}
