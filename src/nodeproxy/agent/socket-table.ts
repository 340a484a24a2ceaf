import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/**
 * The states of /proc/net/tcp that count as an open connection: all but LISTEN, TIME_WAIT, CLOSE.
 */
const openStates = new Set(['01', '02', '03', '04', '05', '08', '09', '0B'])
const loopback4 = /^[0-9A-F]{6}7F$/u
const loopback6 = '00000000000000000000000001000000'
const mapped = '0000000000000000FFFF0000'

/**
 * Open TCP connections in the namespace of a process that leave the pod, named by their addresses
 * and ports as /proc prints them. Loopback is left out: the mesh never touches it.
 */
export function openConnections(procDir: string, pid: number): ReadonlySet<string> {
  const connections = new Set<string>()
  for (const file of ['tcp', 'tcp6']) {
    for (const line of lines(join(procDir, String(pid), 'net', file))) {
      const connection = parseLine(line)
      if (connection !== undefined) connections.add(connection)
    }
  }
  return connections
}

/** One line of /proc/net/tcp or tcp6; undefined when it is no open connection with the outside. */
export function parseLine(line: string): string | undefined {
  const fields = line.trim().split(/\s+/u)
  const [, local, remote, state] = fields
  if (local === undefined || remote === undefined || state === undefined) return undefined
  if (!openStates.has(state) || isLoopback(remote.split(':')[0] ?? '')) return undefined
  return `${local} ${remote}`
}

function isLoopback(address: string): boolean {
  if (address === loopback6) return true
  const tail = address.startsWith(mapped) ? address.slice(mapped.length) : address
  return loopback4.test(tail)
}

function lines(path: string): readonly string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(1)
  } catch {
    // The process ended, or the namespace has no IPv6.
    return []
  }
}
