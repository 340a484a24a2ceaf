import { type Fields, readChoice, readFlag, readText, readTexts } from '../fields.ts'
import type {
  Acceleration,
  FailureMode,
  MeshSettings,
  OldConnections,
  PodChoice,
  PodEnrolment,
} from '../resources.ts'
import { decodeIps } from './address-codec.ts'
import { omitDefaults } from './omit-defaults.ts'

const accelerations = ['auto', 'full', 'off'] as const satisfies readonly Acceleration[]
const failureModes = ['open', 'closed'] as const satisfies readonly FailureMode[]
const oldConnections = ['keep', 'reset'] as const satisfies readonly OldConnections[]
const podChoices: readonly PodChoice[] = [
  'enrolled',
  'acceleration',
  'failureMode',
  'oldConnections',
]

const enrolmentDefaults = {
  addresses: [],
  enrolled: false,
  reason: '',
  acceleration: 'auto',
  failureMode: 'open',
  oldConnections: 'keep',
} as const

const settingsDefaults = {
  unclassified: 'count',
  outside: 'allow',
  acceleration: 'auto',
  failureMode: 'open',
  oldConnections: 'keep',
} as const

export function encodeEnrolment(enrolment: PodEnrolment): object {
  return omitDefaults(enrolment, enrolmentDefaults)
}

export function decodeEnrolment(fields: Fields): PodEnrolment {
  // Those of a newer sender, which are not known here, are nothing to keep.
  const said = readTexts(fields, 'undecided')
  const undecided = podChoices.filter((choice) => said.includes(choice))
  return {
    type: 'enrolment',
    uid: readText(fields, 'uid'),
    namespace: readText(fields, 'namespace'),
    name: readText(fields, 'name'),
    node: readText(fields, 'node'),
    workload: readText(fields, 'workload', ''),
    addresses: decodeIps(fields, 'addresses'),
    enrolled: readFlag(fields, 'enrolled', enrolmentDefaults.enrolled),
    reason: readText(fields, 'reason', enrolmentDefaults.reason),
    acceleration: readChoice(fields, 'acceleration', accelerations, enrolmentDefaults.acceleration),
    failureMode: readChoice(fields, 'failureMode', failureModes, enrolmentDefaults.failureMode),
    oldConnections: readChoice(
      fields,
      'oldConnections',
      oldConnections,
      enrolmentDefaults.oldConnections,
    ),
    ...(undecided.length === 0 ? {} : { undecided }),
  }
}

export function encodeSettings(settings: MeshSettings): object {
  return omitDefaults(settings, settingsDefaults)
}

export function decodeSettings(fields: Fields): MeshSettings {
  return {
    type: 'settings',
    cluster: readText(fields, 'cluster'),
    network: readText(fields, 'network'),
    trustDomain: readText(fields, 'trustDomain'),
    unclassified: readChoice(
      fields,
      'unclassified',
      ['count', 'refuse'],
      settingsDefaults.unclassified,
    ),
    outside: readChoice(fields, 'outside', ['allow', 'refuse'], settingsDefaults.outside),
    acceleration: readChoice(fields, 'acceleration', accelerations, settingsDefaults.acceleration),
    failureMode: readChoice(fields, 'failureMode', failureModes, settingsDefaults.failureMode),
    oldConnections: readChoice(
      fields,
      'oldConnections',
      oldConnections,
      settingsDefaults.oldConnections,
    ),
  }
}
