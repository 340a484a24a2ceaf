import { existsSync } from 'node:fs'
import { netnsName, netnsPath } from '../names.ts'
import type { Addresses } from './addresses.ts'
import { ipBatch } from './ip.ts'

const BRIDGE = 'br0'

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

/** The namespace is there already: all of a lab's are made in one go. */
export async function buildFabric(lab: string): Promise<Fabric> {
  const netns = netnsPath(netnsName(lab, 'fabric'))
  // Where the bridge module's netfilter hooks are loaded, frames would pass the IP hooks as well.
  const bridgeHooks = existsSync('/proc/sys/net/bridge/bridge-nf-call-iptables')
  const sysctls: Record<string, string> = bridgeHooks
    ? { 'net.bridge.bridge-nf-call-iptables': '0', 'net.bridge.bridge-nf-call-ip6tables': '0' }
    : {}
  await ipBatch(
    netns,
    [`link add ${BRIDGE} type bridge forward_delay 0 mcast_snooping 0`, `link set ${BRIDGE} up`],
    sysctls,
  )
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
  const lines = ['link set lo up', 'link set eth0 up', `address add ${addresses.v4}/24 dev eth0`]
  // Without duplicate address detection, which would keep every address unusable for a second.
  if (addresses.v6 !== undefined) lines.push(`address add ${addresses.v6}/64 dev eth0 nodad`)
  const quick = addresses.v6 === undefined ? {} : { 'net.ipv6.conf.eth0.accept_dad': '0' }
  await ipBatch(netns, [...lines, ...routes], { ...quick, ...sysctls })
}
