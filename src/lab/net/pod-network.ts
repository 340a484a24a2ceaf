import { type Addresses, POD_GATEWAY_V6, podGatewayV4 } from './addresses.ts'
import { runCommand } from '../process/command.ts'
import { enterArgv } from '../process/enter.ts'
import { ipBatch } from './ip.ts'

/** A pod's place on its node's network. */
export interface PodLink {
  readonly netns: string
  /** The node's end of the pair. */
  readonly hostInterface: string
  readonly addresses: Addresses
}

/** The node's own side. */
export interface PodNetworkNode {
  readonly index: number
  readonly netns: string
  readonly addresses: Addresses
}

/**
 * Connects pods to their node as routing CNI plugins do (ptp, Calico): a pair of interfaces and a
 * host route a pod, the node as the gateway, no bridge. Same-node traffic crosses the node's
 * forwarding path, where NetworkPolicy stands.
 */
export async function connectPods(node: PodNetworkNode, links: readonly PodLink[]): Promise<void> {
  await ipBatch(
    node.netns,
    links.flatMap((link) => nodeSide(node, link)),
  )
  await Promise.all(links.map((link) => ipBatch(link.netns, podSide(node, link), podSysctls(link))))
}

/**
 * At once; with the namespace alone the pairs would go some time later, when the kernel gets round
 * to it. Those that are not there are no error.
 */
export async function disconnectPods(
  node: PodNetworkNode,
  links: readonly PodLink[],
): Promise<void> {
  if (links.length === 0) return
  const input = links.map(({ hostInterface }) => `link delete ${hostInterface}`).join('\n')
  const argv = enterArgv({ netns: node.netns }, ['ip', '-force', '-batch', '-'])
  await runCommand(argv, { input }).catch(() => {})
}

function nodeSide(node: PodNetworkNode, { netns, hostInterface, addresses }: PodLink): string[] {
  const lines = [
    `link add ${hostInterface} type veth peer name eth0 netns ${netns}`,
    `link set ${hostInterface} addrgenmode none`,
    `link set ${hostInterface} up`,
    // The source is the node's address, as the kubelet's probes have it.
    `route add ${addresses.v4}/32 dev ${hostInterface} src ${node.addresses.v4}`,
  ]
  if (addresses.v6 === undefined || node.addresses.v6 === undefined) return lines
  return [
    ...lines,
    `address add ${POD_GATEWAY_V6}/64 dev ${hostInterface} nodad`,
    `route add ${addresses.v6}/128 dev ${hostInterface} src ${node.addresses.v6}`,
  ]
}

function podSide(node: PodNetworkNode, { addresses }: PodLink): string[] {
  const gateway = podGatewayV4(node.index)
  const lines = [
    'link set lo up',
    'link set eth0 up',
    `address add ${addresses.v4}/32 dev eth0`,
    `route add ${gateway}/32 dev eth0 scope link`,
    `route add default via ${gateway} dev eth0`,
  ]
  if (addresses.v6 === undefined) return lines
  return [
    ...lines,
    `address add ${addresses.v6}/128 dev eth0 nodad`,
    `route add default via ${POD_GATEWAY_V6} dev eth0`,
  ]
}

function podSysctls({ addresses }: PodLink): Readonly<Record<string, string>> {
  return addresses.v6 === undefined
    ? {}
    : { 'net.ipv6.conf.eth0.accept_dad': '0', 'net.ipv6.conf.eth0.accept_ra': '0' }
}
