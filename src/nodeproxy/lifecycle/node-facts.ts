import { readdirSync } from 'node:fs'

export function processFacts(): {
  readonly cpuSeconds: number
  readonly residentBytes: number
  readonly openFds: number
} {
  const { user, system } = process.cpuUsage()
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
    openFds: readdirSync('/proc/self/fd').length,
  }
}
