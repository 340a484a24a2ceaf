import { type Logger, pino } from 'pino'
import type { Connection } from '../l4/connection.ts'
import type { Ended } from '../l4/events.ts'
import type { Peer } from '../l4/leg.ts'
import { endName } from './flags.ts'
import { workloadName } from './labels.ts'

/** Writes one line for a connection that ended. */
export type AccessLog = (connection: Connection, ended: Ended, flags: string) => void

export interface AccessLogOptions {
  /** Takes complete lines. */
  readonly write: (line: string) => void
  /** The part of orderly connections that is logged, 0 to 1. Those with a flag always are. */
  readonly sample: () => number
  readonly random: () => number
  readonly node: string
}

/**
 * One JSON line a connection, in ztunnel's field names where it has one. `bytes_sent` and
 * `bytes_recv` are the client's view outbound and the server's inbound, as there.
 */
export function createAccessLog(options: AccessLogOptions): AccessLog {
  const { sample, random, write, node } = options
  const logger: Logger = pino({ base: { node, log: 'access' }, level: 'info' }, { write })
  return (connection, ended, flags) => {
    const rate = sample()
    if (rate <= 0 || (flags === '-' && rate < 1 && random() >= rate)) return
    const line = accessFields(connection, ended, flags)
    if (connection.refusal === undefined) logger.info(line, 'connection complete')
    else logger.warn(line, 'connection failed')
  }
}

/** The line's fields; absent ones are left out. */
export function accessFields(
  connection: Connection,
  ended: Ended,
  flags: string,
): Readonly<Record<string, string | number | undefined>> {
  const { direction, peer, asked, source, destination, service, endpoint, refusal, pod } =
    connection
  const outbound = direction === 'outbound'
  return {
    direction,
    'src.addr': text(peer),
    'src.workload': workloadName(source) || undefined,
    'src.namespace': source?.namespace,
    'src.pod': outbound ? pod.name : source?.name,
    'dst.addr': text(asked),
    'dst.service': service?.hostname,
    'dst.workload': workloadName(destination) || undefined,
    'dst.namespace': destination?.namespace,
    'dst.pod': destination?.name,
    upstream: endpoint === undefined ? undefined : text(endpoint),
    passthrough: connection.outside ? 1 : undefined,
    bytes_sent: outbound ? ended.receivedBytes : ended.sentBytes,
    bytes_recv: outbound ? ended.sentBytes : ended.receivedBytes,
    bytes_paired: ended.pairedBytes,
    duration_us: ended.durationUs,
    first_byte_us: ended.firstByteUs < 0 ? undefined : ended.firstByteUs,
    attempts: connection.attempts,
    flags,
    end: endName(ended),
    error: refusal === undefined ? undefined : `${refusal.reason}: ${refusal.detail}`,
  }
}

function text({ address, port }: Peer): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
