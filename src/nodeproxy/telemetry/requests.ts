import type { Exchange, ExchangeEnd, ExchangeObserver } from '../http/exchange.ts'
import { messageErrorName } from '../http/refuse.ts'
import { StreamReason } from '../io/protocol.ts'
import { istioLabels, type Reporter, workloadName } from './labels.ts'
import {
  durationBucketsMs,
  observe,
  type RequestAccumulator,
  sizeBucketsBytes,
} from './request-series.ts'

/** Messages that were no HTTP, by MessageError's name. */
export type RejectionCounts = Map<string, number>

export interface RequestTelemetry extends ExchangeObserver {
  readonly rejections: RejectionCounts
}

export interface RequestLogOptions {
  /** Takes complete lines. */
  readonly write: (line: string) => void
  /** The part of orderly requests that is logged, 0 to 1. Those with a flag always are. */
  readonly sample: () => number
  readonly random: () => number
  readonly node: string
}

/** Envoy's response flag for an end that no refusal explains. */
const flagOfReason: ReadonlyMap<number, string> = new Map([
  [StreamReason.done, '-'],
  [StreamReason.clientGone, 'DC'],
  [StreamReason.upstreamReset, 'UC'],
  [StreamReason.timeout, 'UT'],
  [StreamReason.badRequest, 'DPE'],
  [StreamReason.aborted, 'LR'],
])

const source: readonly Reporter[] = ['source']
const both: readonly Reporter[] = ['source', 'destination']

/** Turns what becomes of requests into series and access lines. */
export function observeRequests(
  accumulator: RequestAccumulator,
  log: RequestLogOptions,
): RequestTelemetry {
  const rejections: RejectionCounts = new Map()
  return {
    rejections,
    ended(exchange, end) {
      const flags = exchange.refusal?.flag ?? flagOfReason.get(end.reason) ?? '-'
      count(accumulator, exchange, end, flags)
      const rate = log.sample()
      if (rate <= 0 || (flags === '-' && rate < 1 && log.random() >= rate)) return
      log.write(`${JSON.stringify(accessFields(log.node, exchange, end, flags))}\n`)
    },
    rejected(_connection, error) {
      const name = messageErrorName(error)
      rejections.set(name, (rejections.get(name) ?? 0) + 1)
    },
  }
}

function count(
  accumulator: RequestAccumulator,
  exchange: Exchange,
  end: ExchangeEnd,
  flags: string,
): void {
  const { connection, destination } = exchange
  const client = connection.source
  const service = connection.service
  // The proxy is on both sides of a request between two pods of its own node.
  const reporters = exchange.localPod === undefined ? source : both
  const ends = `${client?.uid} ${destination?.uid} ${service?.key}`
  for (const reporter of reporters) {
    const key = `${reporter} ${end.status} ${flags} ${ends}`
    const series = accumulator.series(key, String(end.status), () => ({
      ...istioLabels({
        reporter,
        source: client,
        destination,
        service,
        outside: false,
        flags,
      }),
      request_protocol: 'http',
    }))
    observe(series.durationMs, durationBucketsMs, end.durationUs / 1_000)
    observe(series.requestBytes, sizeBucketsBytes, end.requestBytes)
    observe(series.responseBytes, sizeBucketsBytes, end.responseBytes)
  }
}

/** The line's fields; absent ones are left out. Names as in the lines of connections. */
export function accessFields(
  node: string,
  exchange: Exchange,
  end: ExchangeEnd,
  flags: string,
): Readonly<Record<string, string | number | undefined>> {
  const { connection, destination, refusal, lastEndpoint } = exchange
  const { peer, asked, service, pod } = connection
  return {
    level: 30,
    time: Date.now(),
    node,
    log: 'access',
    direction: connection.direction,
    'src.addr': hostPort(peer.address, peer.port),
    'src.workload': workloadName(connection.source) || undefined,
    'src.namespace': connection.source?.namespace,
    'src.pod': pod.name,
    'dst.addr': hostPort(asked.address, asked.port),
    'dst.service': service?.hostname,
    'dst.workload': workloadName(destination) || undefined,
    'dst.namespace': destination?.namespace,
    'dst.pod': destination?.name,
    upstream:
      lastEndpoint === undefined ? undefined : hostPort(lastEndpoint.address, lastEndpoint.port),
    method: exchange.method,
    authority: exchange.authority,
    path: exchange.target,
    route: exchange.route?.route || undefined,
    rule: exchange.route?.rule || undefined,
    status: end.status,
    bytes_sent: end.requestBytes,
    bytes_recv: end.responseBytes,
    duration_us: end.durationUs,
    first_byte_us: end.firstByteUs < 0 ? undefined : end.firstByteUs,
    attempts: exchange.attempts,
    flags,
    error: refusal === undefined ? undefined : `${refusal.reason}: ${refusal.detail}`,
    msg: refusal === undefined ? 'request complete' : 'request failed',
  }
}

function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}
