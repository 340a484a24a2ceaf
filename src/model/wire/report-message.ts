import { type Decoded, decoded, decodeWith, notDecoded } from '../codec/decoded.ts'
import {
  type Fields,
  hasField,
  readChoice,
  readFields,
  readFlag,
  readObject,
  readObjects,
  readText,
  readTexts,
  readWhole,
} from '../fields.ts'
import {
  maxReportItems,
  maxReportText,
  type NodeFacts,
  type NodeReport,
  type PodReport,
  podsPerReport,
  podStates,
} from '../report.ts'
import { messageType } from './schema.ts'

const report = messageType('sluice.report.v1.NodeReport')
const answer = messageType('sluice.report.v1.ReportAnswer')

export function encodeReport({ initial, facts, pods, gone }: NodeReport): Uint8Array {
  return report.encode({ initial, ...(facts === undefined ? {} : { facts }), pods, gone })
}

/** What is longer than agreed is cut, and not refused: it is for people to read. */
export function decodeReport(bytes: Uint8Array): Decoded<NodeReport> {
  const read = decodeAs(report, bytes, 'NodeReport')
  if (!read.ok) return read
  return decodeWith<NodeReport>(
    () => 'report of a node',
    (onError) => readReport(readFields(read.value, '', onError)),
  )
}

export function encodeReportAnswer(dropped: readonly string[]): Uint8Array {
  return answer.encode({ dropped })
}

/** @returns the uids that were not taken */
export function decodeReportAnswer(bytes: Uint8Array): Decoded<readonly string[]> {
  const read = decodeAs(answer, bytes, 'ReportAnswer')
  if (!read.ok) return read
  return decodeWith<readonly string[]>(
    () => 'answer to a report',
    (onError) => readTexts(readFields(read.value, '', onError), 'dropped'),
  )
}

function decodeAs(type: typeof report, bytes: Uint8Array, what: string) {
  try {
    return decoded(type.decode(bytes))
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    return notDecoded<Readonly<Record<string, unknown>>>(`no ${what}: ${cause}`)
  }
}

const anyCount = { min: 0, max: 2 ** 32 - 1 }

function readReport(fields: Fields): NodeReport {
  return {
    initial: readFlag(fields, 'initial', false),
    facts: hasField(fields, 'facts') ? readFacts(readObject(fields, 'facts')) : undefined,
    pods: readObjects(fields, 'pods').slice(0, podsPerReport).map(readPodReport),
    gone: readTexts(fields, 'gone').slice(0, podsPerReport),
  }
}

function readPodReport(fields: Fields): PodReport {
  return {
    uid: short(readText(fields, 'uid')),
    state: readChoice(fields, 'state', podStates),
    sinceSeconds: readWhole(fields, 'sinceSeconds', anyCount, 0),
    reason: readShort(fields, 'reason'),
    notAccelerated: readShort(fields, 'notAccelerated'),
    connectionsBefore: readWhole(fields, 'connectionsBefore', anyCount, 0),
    connectionsBeforeOpen: readWhole(fields, 'connectionsBeforeOpen', anyCount, 0),
  }
}

function readFacts(fields: Fields): NodeFacts {
  return {
    version: readShort(fields, 'version'),
    kernel: readShort(fields, 'kernel'),
    startedSeconds: readWhole(fields, 'startedSeconds', anyCount, 0),
    notReady: readShort(fields, 'notReady'),
    features: readObjects(fields, 'features')
      .slice(0, maxReportItems)
      .map((feature) => ({
        name: readShort(feature, 'name'),
        on: readFlag(feature, 'on', false),
        reason: readShort(feature, 'reason'),
      })),
    maps: readObjects(fields, 'maps')
      .slice(0, maxReportItems)
      .map((map) => ({
        map: readShort(map, 'map'),
        percent: readWhole(map, 'percent', anyCount, 0),
        maxEntries: readWhole(map, 'maxEntries', anyCount, 0),
      })),
    notes: readTexts(fields, 'notes').slice(0, maxReportItems).map(short),
    unnamedPods: readWhole(fields, 'unnamedPods', anyCount, 0),
  }
}

function readShort(fields: Fields, name: string): string {
  return short(readText(fields, name, ''))
}

function short(text: string): string {
  return text.slice(0, maxReportText)
}
