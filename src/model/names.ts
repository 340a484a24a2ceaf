import type { NetworkAddress } from './resources.ts'

/** What a subscription asks for. See source.ts for what each is answered with. */
export type SubscriptionName =
  | { readonly kind: 'node'; readonly node: string }
  | ({ readonly kind: 'address' } & NetworkAddress)

export function nodeSubscription(node: string): string {
  return `node/${node}`
}

export function addressSubscription(network: string, ip: string): string {
  return `address/${network}/${ip}`
}

/** @returns undefined when it is no name of a subscription */
export function parseSubscription(name: string): SubscriptionName | undefined {
  const [kind, first = '', second = '', ...more] = name.split('/')
  if (first === '' || more.length > 0) return undefined
  if (kind === 'node' && second === '') return { kind, node: first }
  if (kind === 'address' && second !== '') return { kind, network: first, ip: second }
  return undefined
}

/** `network/ip`: what tables of addresses are keyed by. */
export function addressKey(address: NetworkAddress): string {
  return `${address.network}/${address.ip}`
}
