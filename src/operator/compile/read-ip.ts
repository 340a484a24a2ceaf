import { type Fields, readRaw, readTexts, reportField, show } from '../../model/fields.ts'
import { canonicalIp } from '../../model/ip.ts'
import type { IpAddress } from '../../model/resources.ts'

/** In canonical form; reports what is no IP address. */
export function readIp(fields: Fields, name: string): IpAddress | undefined {
  const value = readRaw(fields, name)
  const ip = typeof value === 'string' ? canonicalIp(value) : undefined
  if (ip === undefined) {
    reportField(
      fields,
      name,
      `is ${show(value)}, not an IP address`,
      'give an IPv4 or IPv6 address',
    )
  }
  return ip
}

export function readIps(fields: Fields, name: string): readonly IpAddress[] {
  return readTexts(fields, name).flatMap((text, index) => {
    const ip = canonicalIp(text)
    if (ip !== undefined) return [ip]
    const message = `is ${show(text)}, not an IP address`
    reportField(fields, `${name}[${index}]`, message, 'give an IPv4 or IPv6 address')
    return []
  })
}

/**
 * Why an address cannot be an endpoint's: it would name the host that connects, or no single one.
 * The API server refuses the same.
 */
export function unusableEndpointIp(ip: IpAddress): string | undefined {
  if (/^127\.|^::1$/.test(ip)) return 'loopback'
  if (/^169\.254\.|^fe[89ab][0-9a-f]:/.test(ip)) return 'link-local'
  if (/^(22[4-9]|23\d)\.|^ff[0-9a-f]{2}:/.test(ip)) return 'multicast'
  if (/^(0\.0\.0\.0|::)$/.test(ip)) return 'the unspecified address'
  return undefined
}
