import { readFileSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
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
 *
 * The kernel looks through the sockets of all namespaces for the table of one, some 40 ms of a CPU
 * for each of the two: so it is asked beside the event loop, and not at all while the namespace has
 * no more sockets than those that are known.
 *
 * @param known sockets of the namespace that are no such connections: our own listeners
 */
export async function openConnections(
  procDir: string,
  pid: number,
  known: number,
): Promise<ReadonlySet<string>> {
  const folder = join(procDir, String(pid), 'net')
  const connections = new Set<string>()
  if (socketsInUse(folder) <= known) return connections
  for (const file of ['tcp', 'tcp6']) {
    for (const line of await linesOf(join(folder, file))) {
      const connection = parseLine(line)
      if (connection !== undefined) connections.add(connection)
    }
  }
  return connections
}

/** Bound and connected TCP sockets of the namespace, by the kernel's own count. */
function socketsInUse(folder: string): number {
  const counts = [
    ...textOf(join(folder, 'sockstat')).matchAll(/^TCP: inuse (\d+)/gmu),
    ...textOf(join(folder, 'sockstat6')).matchAll(/^TCP6: inuse (\d+)/gmu),
  ]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

/** One line of /proc/net/tcp or tcp6; undefined when it is no open connection with the outside. */
export function parseLine(line: string): string | undefined {
  const fields = line.trim().split(/\s+/u)
  const [, local, remote, state] = fields
  if (local === undefined || remote === undefined || state === undefined) return undefined
  if (!openStates.has(state) || isLoopback(remote.split(':')[0] ?? '')) return undefined
  return `${local} ${remote}`
}

/** The same names for what the addon lists: 52 bytes a connection, see connections.h. */
export function connectionName(bytes: Uint8Array): string {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const words = view.getUint32(0, true) === ipv4 ? 1 : 4
  const end = (address: number, port: number) => {
    const parts = Array.from({ length: words }, (_, word) =>
      hex(view.getUint32(address + 4 * word, true), 8),
    )
    return `${parts.join('')}:${hex(view.getUint16(port), 4)}`
  }
  return `${end(8, 4)} ${end(24, 6)}`
}

/** AF_INET. */
const ipv4 = 2

function hex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

function isLoopback(address: string): boolean {
  if (address === loopback6) return true
  const tail = address.startsWith(mapped) ? address.slice(mapped.length) : address
  return loopback4.test(tail)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // The process ended, or the namespace has no IPv6.
    return ''
  }
}

async function linesOf(path: string): Promise<readonly string[]> {
  try {
    await using file = await open(path)
    return (await readTable(file)).split('\n').slice(1)
  } catch {
    return []
  }
}

/** The kernel fills pages with whole lines; one with room for another line is the last. */
const pageBytes = 4096
const lineBytes = 512

/** To ask for what comes after the last line would be another look through all sockets. */
async function readTable(file: FileHandle): Promise<string> {
  const chunks: Buffer[] = []
  for (;;) {
    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(16 * pageBytes) })
    chunks.push(buffer.subarray(0, bytesRead))
    if (bytesRead < pageBytes - lineBytes) return Buffer.concat(chunks).toString()
  }
}
