import { existsSync } from 'node:fs'

/** The kernel has none of it when it was booted with ipv6.disable=1. */
const ipv6Interfaces = '/proc/net/if_inet6'

/** `::` serves both families; where the kernel knows no IPv6, `0.0.0.0` takes its place. */
export function anyAddress(host: string, interfaces = ipv6Interfaces): string {
  return host === '::' && !existsSync(interfaces) ? '0.0.0.0' : host
}
