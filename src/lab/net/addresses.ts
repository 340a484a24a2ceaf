/**
 * The lab's address plan. Every lab has namespaces of its own, so all labs use the same addresses.
 * They are those that kind and kubeadm use, because people know them.
 */
export interface Addresses {
  readonly v4: string
  /** Undefined in a lab without IPv6. */
  readonly v6: string | undefined
}

export const POD_NETWORK_V4 = '10.244.0.0/16'
export const POD_NETWORK_V6 = 'fd00:10:244::/48'
export const MAX_NODES = 50
/** .0 is the network, .1 the gateway, .255 the broadcast address. */
export const MAX_PODS_PER_NODE = 253

/** Of a node on the network between the nodes. */
export function nodeAddresses(node: number, ipv6: boolean): Addresses {
  return { v4: `172.18.0.${10 + node}`, v6: ipv6 ? `fd00:172:18::${hex(10 + node)}` : undefined }
}

/** The router to everywhere else, which throws away whatever it gets. */
export function routerAddresses(ipv6: boolean): Addresses {
  return { v4: '172.18.0.1', v6: ipv6 ? 'fd00:172:18::1' : undefined }
}

/** Of a machine on that network that is no node: what is outside the cluster. */
export function hostAddresses(host: number, ipv6: boolean): Addresses {
  return { v4: `172.18.0.${100 + host}`, v6: ipv6 ? `fd00:172:18::${hex(100 + host)}` : undefined }
}

/**
 * A node's share of the pod network; from 1 on, so that no IPv6 address has a group of zero to
 * leave out.
 */
export function podCidrs(index: number, ipv6: boolean): Addresses {
  const node = index + 1
  return { v4: `10.244.${node}.0/24`, v6: ipv6 ? `fd00:10:244:${hex(node)}::/64` : undefined }
}

/** @param pod 0 to MAX_PODS_PER_NODE - 1 */
export function podAddresses(nodeIndex: number, pod: number, ipv6: boolean): Addresses {
  const node = nodeIndex + 1
  return {
    v4: `10.244.${node}.${pod + 2}`,
    v6: ipv6 ? `fd00:10:244:${hex(node)}::${hex(pod + 2)}` : undefined,
  }
}

/** Pods reach everything through it; it is the node's own. */
export function podGatewayV4(nodeIndex: number): string {
  return `10.244.${nodeIndex + 1}.1`
}

/** The same on every node, as link-local addresses may be. */
export const POD_GATEWAY_V6 = 'fe80::1'

export function serviceAddresses(service: number): { readonly v4: string; readonly v6: string } {
  const index = service + 10
  return { v4: `10.96.${index >> 8}.${index & 0xff}`, v6: `fd00:10:96::${hex(index)}` }
}

function hex(value: number): string {
  return value.toString(16)
}

/**
 * The smallest free number, one after the other round the range, as the host-local IPAM plugin
 * hands them out.
 */
export function createAllocator(count: number, what: string) {
  const used = new Set<number>()
  let next = 0
  return {
    /** @param wanted this one, also when it was used a moment ago */
    take(wanted?: number): number {
      if (wanted !== undefined) {
        if (wanted < 0 || wanted >= count || used.has(wanted))
          throw new Error(`${what} ${wanted} is taken or out of range`)
        used.add(wanted)
        return wanted
      }
      if (used.size >= count) throw new Error(`no ${what} is left of ${count}: remove some`)
      while (used.has(next)) next = (next + 1) % count
      const taken = next
      used.add(taken)
      next = (next + 1) % count
      return taken
    },
    release(index: number): void {
      used.delete(index)
    },
  }
}

export type Allocator = ReturnType<typeof createAllocator>
