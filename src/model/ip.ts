import type { IpAddress } from './resources.ts'

export type IpFamily = 'ipv4' | 'ipv6'

const ipv4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/
const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/

/**
 * One text for each address: lower case and compressed (RFC 5952), v4-mapped IPv6 as IPv4.
 * @returns undefined when the text is no IP address, or one with a zone
 */
export function canonicalIp(text: string): IpAddress | undefined {
  if (ipv4.test(text)) return text
  if (!/^[0-9a-f:.]+$/i.test(text)) return undefined
  // The URL standard's host serializer writes IPv6 as RFC 5952 does.
  const url = URL.parse(`http://[${text}]/`)
  if (url === null) return undefined
  const ip = url.hostname.slice(1, -1)
  const found = mapped.exec(ip)
  if (found === null) return ip
  const [high, low] = [Number.parseInt(found[1] ?? '', 16), Number.parseInt(found[2] ?? '', 16)]
  return [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** @param ip canonical */
export function familyOf(ip: IpAddress): IpFamily {
  return ip.includes(':') ? 'ipv6' : 'ipv4'
}
