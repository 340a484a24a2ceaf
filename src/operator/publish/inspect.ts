import { encodeResource } from '../../model/codec/resource-codec.ts'
import type { Resource } from '../../model/resources.ts'
import type { ConfigRow, ResourceRow } from '../../model/status.ts'
import { versionOf } from '../../model/wire/resource-message.ts'
import type { Answer } from './answer.ts'
import { unionOf } from './asked.ts'
import type { Held } from './plan-delta.ts'

/**
 * What a node holds, and what it is to hold. Changes nothing, unlike a look by the stream itself,
 * which remembers what it has seen.
 */
export function inspectHoldings(
  answers: ReadonlyMap<string, Answer>,
  held: Held,
  withContent: boolean,
): Pick<ConfigRow, 'names' | 'holdings'> {
  const wanted = unionOf(answers.values())
  const names = [...new Set([...wanted.keys(), ...held.resources.keys()])].sort()
  return {
    names: [...answers.keys()].sort().map((name) => ({ name, told: held.told.get(name) ?? '' })),
    holdings: names.map((name) => rowOf(name, wanted.get(name), held, withContent)),
  }
}

function rowOf(
  name: string,
  wanted: Resource | undefined,
  { resources, rejected }: Held,
  withContent: boolean,
): ResourceRow {
  const holds = resources.get(name)
  const row = {
    name,
    held: holds === undefined || holds === 'outdated' ? (holds ?? '') : versionOf(holds),
    wanted: wanted === undefined ? '' : versionOf(wanted),
    rejected: wanted !== undefined && rejected.get(name) === wanted,
  }
  if (!withContent || wanted === undefined) return row
  return { ...row, content: encodeResource(wanted) }
}
