import { type Fields, readTexts, reportField } from '../fields.ts'
import { canonicalIp } from '../ip.ts'
import { addressKey } from '../names.ts'
import type { IpAddress, NetworkAddress } from '../resources.ts'

/** On the wire an address is `network/ip`. */
export const encodeAddress: (address: NetworkAddress) => string = addressKey

/** @returns undefined, and reports, when it is none */
export function decodeAddress(
  text: string,
  fields: Fields,
  name: string,
): NetworkAddress | undefined {
  const slash = text.indexOf('/')
  const [network, ip] = [text.slice(0, slash), text.slice(slash + 1)]
  if (slash > 0 && canonicalIp(ip) === ip) return { network, ip }
  reportField(
    fields,
    name,
    `has ${JSON.stringify(text)}`,
    "give 'network/ip', the IP in canonical form",
  )
  return undefined
}

export function decodeAddresses(fields: Fields, name: string): readonly NetworkAddress[] {
  return readTexts(fields, name).flatMap((text) => decodeAddress(text, fields, name) ?? [])
}

export function decodeIps(fields: Fields, name: string): readonly IpAddress[] {
  return readTexts(fields, name).filter((text) => {
    if (canonicalIp(text) === text) return true
    reportField(fields, name, `has ${JSON.stringify(text)}`, 'give an IP in canonical form')
    return false
  })
}
