import {
  type Fields,
  hasField,
  pathOf,
  portRange,
  readChoice,
  readFlag,
  readObject,
  readObjects,
  readText,
  readTexts,
  readWhole,
  reportField,
  show,
} from '../../model/fields.ts'
import { canonicalIp, familyOf } from '../../model/ip.ts'
import type { SliceEndpointFacts, SliceFacts } from './facts.ts'
import { unusableEndpointIp } from './read-ip.ts'
import { readMeta } from './read-meta.ts'

const serviceLabel = 'kubernetes.io/service-name'

export function readSlice(fields: Fields): SliceFacts {
  const meta = readMeta(fields, 'EndpointSlice')
  const type = readChoice(fields, 'addressType', ['IPv4', 'IPv6', 'FQDN'])
  const endpoints = readObjects(fields, 'endpoints')
  return {
    ...meta,
    service: meta.labels[serviceLabel] ?? '',
    ports: readPorts(fields),
    // Names are not resolved by kube-proxy either.
    endpoints:
      type === 'FQDN'
        ? []
        : endpoints.flatMap((endpoint) => readEndpoint(endpoint, type, meta.namespace) ?? []),
  }
}

/** A port without a number would mean any; kube-proxy ignores it, so it is not there. */
function readPorts(fields: Fields): ReadonlyMap<string, number> {
  const ports = readObjects(fields, 'ports').filter(
    (port) => readText(port, 'protocol', 'TCP') === 'TCP' && hasField(port, 'port'),
  )
  return new Map(
    ports.map((port) => [readText(port, 'name', ''), readWhole(port, 'port', portRange)]),
  )
}

function readEndpoint(
  fields: Fields,
  type: 'IPv4' | 'IPv6',
  namespace: string,
): SliceEndpointFacts | undefined {
  const ip = readEndpointIp(fields, type)
  const conditions = readObject(fields, 'conditions')
  const hints = readObject(fields, 'hints')
  const ready = readFlag(conditions, 'ready', true)
  const rest = {
    node: readText(fields, 'nodeName', ''),
    zone: readText(fields, 'zone', ''),
    ready,
    serving: readFlag(conditions, 'serving', true),
    terminating: readFlag(conditions, 'terminating', false),
    zoneHints: readObjects(hints, 'forZones').map((hint) => readText(hint, 'name')),
    nodeHints: readObjects(hints, 'forNodes').map((hint) => readText(hint, 'name')),
    pod: readPodReference(fields, namespace),
    field: pathOf(fields),
  }
  return ip === undefined ? undefined : { ip, ...rest }
}

/** The addresses of one endpoint are interchangeable, and kube-proxy takes the first. */
function readEndpointIp(fields: Fields, type: 'IPv4' | 'IPv6'): string | undefined {
  const text = readTexts(fields, 'addresses')[0]
  const ip = text === undefined ? undefined : canonicalIp(text)
  if (ip === undefined || familyOf(ip) !== type.toLowerCase()) {
    const fix = "give an address of the slice's addressType"
    reportField(fields, 'addresses[0]', `is ${show(text)}, not an ${type} address`, fix)
    return undefined
  }
  const unusable = unusableEndpointIp(ip)
  if (unusable === undefined) return ip
  reportField(
    fields,
    'addresses[0]',
    `is ${show(text)}, ${unusable}`,
    'give an address that others reach',
  )
  return undefined
}

function readPodReference(fields: Fields, namespace: string): SliceEndpointFacts['pod'] {
  const reference = readObject(fields, 'targetRef')
  if (readText(reference, 'kind', '') !== 'Pod') return undefined
  return {
    namespace: readText(reference, 'namespace', namespace),
    name: readText(reference, 'name'),
  }
}
