import type { Connection } from '../l4/connection.ts'
import type { Ended } from '../l4/events.ts'
import type { FlowObserver } from '../l4/flow-context.ts'
import type { AccessLog } from './access-log.ts'
import type { Accumulator, Series } from './accumulator.ts'
import { responseFlags } from './flags.ts'
import { istioLabels, type Reporter } from './labels.ts'

/** What a worker counts beside the series: totals that have no labels of workloads. */
export interface ConnectionTotals {
  outbound: number
  inbound: number
  passthrough: number
  sameNode: number
  refused: number
  retries: number
  pairedConnections: number
  pairedBytes: number
}

/** Hears of pairs alone: who keeps them over a restart. */
export interface PairObserver {
  paired(connection: Connection): void
  /** Of every connection, paired or not. */
  ended(connection: Connection, ended: Ended): void
}

/** Connections and bytes of `kind` refusal, for `sluice_refusals_total`. */
export type RefusalCounts = Map<string, number>

export interface ConnectionTelemetry extends FlowObserver {
  /**
   * An open connection has moved that many bytes so far: long ones shall not count at their end
   * alone.
   */
  progressed(connection: Connection, receivedBytes: number, sentBytes: number): void
  readonly totals: ConnectionTotals
  readonly refusals: RefusalCounts
}

/** Turns what becomes of connections into series, totals and access lines. */
export function observeConnections(
  accumulator: Accumulator,
  log: AccessLog,
  pairs: PairObserver,
): ConnectionTelemetry {
  const totals: ConnectionTotals = {
    outbound: 0,
    inbound: 0,
    passthrough: 0,
    sameNode: 0,
    refused: 0,
    retries: 0,
    pairedConnections: 0,
    pairedBytes: 0,
  }
  const refusals: RefusalCounts = new Map()
  const series = (connection: Connection, reporter: Reporter, flags: string): Series =>
    seriesOf(accumulator, connection, reporter, flags)
  return {
    totals,
    refusals,
    opened(connection) {
      totals[connection.direction] += 1
      for (const reporter of reportersOf(connection)) {
        series(connection, reporter, '-').opened += 1
      }
    },
    paired: (connection) => pairs.paired(connection),
    progressed: (connection, received, sent) => countBytes(accumulator, connection, received, sent),
    ended(connection, ended) {
      pairs.ended(connection, ended)
      count(totals, refusals, connection, ended)
      const flags = responseFlags(connection, ended)
      countBytes(accumulator, connection, ended.receivedBytes, ended.sentBytes)
      for (const reporter of reportersOf(connection)) {
        series(connection, reporter, flags).closed += 1
      }
      log(connection, ended, flags)
    },
    httpEnded(connection, ended) {
      pairs.ended(connection, ended)
      totals[connection.direction] += 1
      if (connection.refusal === undefined) return
      totals.refused += 1
      const { kind } = connection.refusal
      refusals.set(kind, (refusals.get(kind) ?? 0) + 1)
    },
  }
}

/**
 * The proxy is on both sides of a connection between two pods of its own node, so it reports for
 * both; else the node at the other end reports for its side.
 */
export function reportersOf(connection: Connection): readonly Reporter[] {
  if (connection.direction === 'inbound') return ['destination']
  return connection.localPod === undefined ? ['source'] : ['source', 'destination']
}

function countBytes(
  accumulator: Accumulator,
  connection: Connection,
  receivedBytes: number,
  sentBytes: number,
): void {
  // One that has ended in between reports zeros; its end has counted all.
  const received = Math.max(0, receivedBytes - connection.countedReceived)
  const sent = Math.max(0, sentBytes - connection.countedSent)
  if (received === 0 && sent === 0) return
  connection.countedReceived += received
  connection.countedSent += sent
  for (const reporter of reportersOf(connection)) {
    const traffic = seriesOf(accumulator, connection, reporter, '-')
    traffic.receivedBytes += received
    traffic.sentBytes += sent
  }
}

function count(
  totals: ConnectionTotals,
  refusals: RefusalCounts,
  connection: Connection,
  ended: Ended,
): void {
  if (connection.outside) totals.passthrough += 1
  if (connection.localPod !== undefined) totals.sameNode += 1
  if (connection.attempts > 1) totals.retries += connection.attempts - 1
  if (ended.pairedBytes > 0) {
    totals.pairedConnections += 1
    totals.pairedBytes += ended.pairedBytes
  }
  if (connection.refusal === undefined) return
  totals.refused += 1
  const { kind } = connection.refusal
  refusals.set(kind, (refusals.get(kind) ?? 0) + 1)
}

function seriesOf(
  accumulator: Accumulator,
  connection: Connection,
  reporter: Reporter,
  flags: string,
): Series {
  const { source, destination, service, outside } = connection
  connection.labelsKey ??= [source?.uid, destination?.uid, service?.key, outside].join(' ')
  return accumulator.series(`${reporter} ${flags} ${connection.labelsKey}`, () =>
    istioLabels({ reporter, source, destination, service, outside, flags }),
  )
}
