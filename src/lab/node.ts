import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { type CgroupStyle, kubepodsFolder, makeCgroup } from './cgroup.ts'
import { createKubeProxy, type KubeProxy } from './kube/kube-proxy.ts'
import { type LabPaths, netnsName, netnsPath } from './names.ts'
import {
  type Addresses,
  type Allocator,
  createAllocator,
  MAX_PODS_PER_NODE,
  nodeAddresses,
  podCidrs,
  podGatewayV4,
} from './net/addresses.ts'
import type { FabricMember } from './net/fabric.ts'
import { createRunner, type Runner } from './runner.ts'

/**
 * A machine of the lab's cluster. Commands run on it as other system services' do: outside of
 * kubepods.
 */
export interface LabNode extends Runner {
  readonly name: string
  readonly index: number
  readonly zone: string
  /** File of its network namespace. */
  readonly netns: string
  readonly addresses: Addresses
  readonly podCidrs: Addresses
  /** Its port on the fabric's bridge. */
  readonly port: string
  /** Its part of the cgroup tree: what / is on a real node. */
  readonly cgroup: string
  /** Folder for its pins, below bpffs. */
  readonly bpffs: string
  /** Folder for state, logs and sockets. */
  readonly run: string
  /** Absolute; where the kubelet would put pods of that style. */
  kubepods(style: CgroupStyle): string
  /** Runs commands as the kubelet does: its probes come from there. */
  readonly kubelet: Runner
  readonly kubeletCgroup: string
}

/** What the lab alone needs of a node. */
export interface NodeParts {
  readonly node: LabNode
  readonly kubeProxy: KubeProxy
  readonly podIndexes: Allocator
}

export interface NodeOptions {
  readonly lab: string
  readonly paths: LabPaths
  readonly name: string
  readonly index: number
  readonly zone: string
  readonly ipv6: boolean
}

/** Folders only; the namespace and its network are made for all nodes in one go. */
export function createNode(options: NodeOptions): NodeParts {
  const { lab, paths, name, index, zone, ipv6 } = options
  const netns = netnsPath(nodeNetnsName(lab, name))
  const cgroup = join(paths.cgroup, name)
  const services = join(cgroup, 'system.slice/other.service')
  const kubelet = join(cgroup, 'system.slice/kubelet.service')
  for (const folder of [services, kubelet]) makeCgroup(folder)
  const node: LabNode = {
    name,
    index,
    zone,
    netns,
    addresses: nodeAddresses(index, ipv6),
    podCidrs: podCidrs(index, ipv6),
    port: `node${index}`,
    cgroup,
    bpffs: join(paths.bpffs, name),
    run: join(paths.run, name),
    kubepods: (style) => join(cgroup, kubepodsFolder(style)),
    kubelet: createRunner({ cgroup: kubelet, netns }),
    kubeletCgroup: kubelet,
    ...createRunner({ cgroup: services, netns }),
  }
  return {
    node,
    kubeProxy: createKubeProxy(name, netns, ipv6 ? ['IPv4', 'IPv6'] : ['IPv4']),
    podIndexes: createAllocator(MAX_PODS_PER_NODE, `pod address of node ${name}`),
  }
}

export function nodeNetnsName(lab: string, node: string): string {
  return netnsName(lab, `node.${node}`)
}

/** How a node joins the fabric: with routes to the other nodes' pods. */
export function fabricMember(node: LabNode, nodes: readonly LabNode[]): FabricMember {
  const others = nodes.filter((other) => other !== node)
  const routes = others.flatMap(({ podCidrs: cidrs, addresses }) => [
    `route add ${cidrs.v4} via ${addresses.v4}`,
    ...(cidrs.v6 === undefined ? [] : [`route add ${cidrs.v6} via ${addresses.v6}`]),
  ])
  const sysctls: Record<string, string> = { 'net.ipv4.ip_forward': '1' }
  if (node.addresses.v6 !== undefined) sysctls['net.ipv6.conf.all.forwarding'] = '1'
  // On lo, one address serves the pods of all interfaces: the kernel answers ARP for it on each.
  const gateway = `address add ${podGatewayV4(node.index)}/32 dev lo`
  return {
    netns: node.netns,
    port: node.port,
    addresses: node.addresses,
    routes: [gateway, ...routes],
    sysctls,
  }
}

export function newContainerId(): string {
  return (randomUUID() + randomUUID()).replaceAll('-', '')
}
