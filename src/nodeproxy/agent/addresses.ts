import { isIPv4, isIPv6 } from 'node:net'

/** At most one address a family: what the kernel maps hold of a pod. */
export interface PodAddresses {
  readonly ipv4?: string
  readonly ipv6?: string
}

export function addressList(addresses: PodAddresses): readonly string[] {
  return [addresses.ipv4, addresses.ipv6].filter((address) => address !== undefined)
}

export type AddressCheck =
  | { readonly ok: true; readonly addresses: PodAddresses }
  | { readonly ok: false; readonly reason: string }

/**
 * Which addresses a pod is enrolled with. What configuration lists must exist inside the namespace,
 * or the namespace is another pod's. While it lists none (the kubelet reports them late) those
 * found inside are taken, except ones that belong to another pod: whoever may change his namespace
 * could claim them.
 *
 * @param listed what configuration says
 * @param inside what the namespace has
 * @param ownerOf uid of another pod that holds the address
 */
export function checkAddresses(
  listed: readonly string[],
  inside: readonly string[],
  ownerOf: (address: string) => string | undefined,
): AddressCheck {
  const present = inside.filter(isPodAddress)
  if (listed.length === 0) {
    const taken = present.find((address) => ownerOf(address) !== undefined)
    if (taken !== undefined) {
      return { ok: false, reason: `address ${taken} belongs to pod ${ownerOf(taken)}` }
    }
    if (present.length === 0)
      return { ok: false, reason: 'its network namespace has no address yet' }
    return { ok: true, addresses: byFamily(present) }
  }
  const missing = listed.find((address) => !present.includes(address))
  if (missing !== undefined) {
    const found = present.length === 0 ? 'none' : present.join(', ')
    return {
      ok: false,
      reason:
        `address ${missing} is not in its network namespace (there: ${found}); ` +
        'the pod is still starting, or its status is stale',
    }
  }
  return { ok: true, addresses: byFamily(listed) }
}

/** Global addresses alone: loopback and link-local ones never leave the pod. */
export function isPodAddress(address: string): boolean {
  if (isIPv4(address)) return !address.startsWith('127.') && !address.startsWith('169.254.')
  if (!isIPv6(address)) return false
  return address !== '::1' && address !== '::' && !/^fe[89ab]/iu.test(address)
}

function byFamily(addresses: readonly string[]): PodAddresses {
  const ipv4 = addresses.find((address) => isIPv4(address))
  const ipv6 = addresses.find((address) => isIPv6(address))
  return { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) }
}
