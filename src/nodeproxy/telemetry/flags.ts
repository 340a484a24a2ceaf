import { DoneReason } from '../io/protocol.ts'
import type { Connection } from '../l4/connection.ts'
import type { Ended } from '../l4/events.ts'

/** Envoy's response flag for an end that no refusal explains; '-' for an orderly one. */
const flagOfReason: ReadonlyMap<number, string> = new Map([
  [DoneReason.closed, '-'],
  [DoneReason.clientReset, 'DC'],
  [DoneReason.serverReset, 'UC'],
  [DoneReason.refused, 'LR'],
  [DoneReason.connectTimeout, 'UF'],
  [DoneReason.idle, 'SI'],
  [DoneReason.unpublished, 'NR'],
  [DoneReason.overLimit, 'UO'],
  [DoneReason.shutdown, 'LR'],
  [DoneReason.adopted, '-'],
])

const names = new Map<number, string>(
  Object.entries(DoneReason).map(([name, value]) => [value, name]),
)

export function responseFlags(connection: Connection, ended: Ended): string {
  return connection.refusal?.flag ?? flagOfReason.get(ended.reason) ?? '-'
}

/** How it ended, in a word: DoneReason's name. */
export function endName(ended: Ended): string {
  return names.get(ended.reason) ?? `reason ${ended.reason}`
}
