/**
 * Addresses and ports of the scratch namespace. RFC 2544's benchmark range and a unique local
 * prefix: they mean nothing outside, and nothing outside can be reached from there.
 */
export const addresses = {
  4: { pod: '198.18.0.1', service: '198.18.0.9' },
  6: { pod: 'fd73:6c75:6963::1', service: 'fd73:6c75:6963::9' },
} as const

export const ports = { service: 7001, target: 7002 } as const
